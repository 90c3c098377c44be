//! The places to fetch one content from, and what people are told where a name has several.

use chord_client::ClientError;
use chord_client::choice::{self, Content, DigestPrefix, Unclear};
use chord_client::views::{digest_text, hex};
use chordial_proto::chord_v1::{Peer, Source};

use crate::output::{count, safe, size};

/// One place to fetch a file from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The holder's name.
    pub peer: String,
    /// The holder's identifier.
    pub id: String,
    /// The holder, as the index knows it.
    pub holder: Peer,
    /// The holder's transfer port, as it was published.
    pub transfer: String,
    /// Relative to the holder's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub modified_ms: i64,
    /// BLAKE3; `None` until the holder has computed it.
    pub digest: Option<[u8; 32]>,
    /// False: given up by its neighbours.
    pub alive: bool,
}

impl From<Source> for Candidate {
    fn from(source: Source) -> Self {
        let publisher = source.publisher.unwrap_or_default();
        let entry = source.entry.unwrap_or_default();
        Self {
            peer: publisher.name.clone(),
            id: hex(&publisher.id),
            holder: publisher,
            transfer: source.services.unwrap_or_default().transfer,
            path: entry.path,
            size: entry.size,
            modified_ms: entry.modified_ms,
            digest: entry.digest.try_into().ok(),
            alive: source.alive,
        }
    }
}

/// The places of one and the same file, at least one, living holders first.
///
/// # Errors
/// [`ClientError::NotFound`] where nothing fits the choice; [`ClientError::Failed`], with a list, where what
/// fits is not all the same.
pub fn choose(
    sources: Vec<Source>,
    from: Option<&str>,
    digest: Option<&DigestPrefix>,
) -> Result<Vec<Candidate>, ClientError> {
    let chosen = choice::choose(sources, from, digest).map_err(|unclear| match (unclear, from, digest) {
        (Unclear::Several(contents), ..) => several(contents),
        (Unclear::NoSuchDigest, Some(peer), Some(digest)) => ClientError::NotFound(format!(
            "{peer} has no such file with digest {digest}; `find` lists what there is"
        )),
        (Unclear::NoSuchDigest, _, Some(digest)) => ClientError::NotFound(format!(
            "no holder has the file with digest {digest}; `find` lists what there is"
        )),
        (_, from, _) => ClientError::NotFound(format!(
            "{} does not share this file; `find` lists who does",
            from.unwrap_or("that peer")
        )),
    })?;
    let mut places: Vec<Candidate> = chosen.sources.into_iter().map(Candidate::from).collect();
    places.sort_by_key(|place| !place.alive);
    Ok(places)
}

fn several(contents: Vec<Content>) -> ClientError {
    let mut text = format!(
        "this name has {} different contents; choose one with --digest (its first digits do) or --from:",
        contents.len()
    );
    for content in contents {
        let digest = digest_text(&content.digest).unwrap_or_else(|| "digest not yet computed".to_owned());
        let holders = count(content.sources.len() as u64, "holder");
        text.push_str(&format!("\n{digest}  {}, {holders}", size(content.size)));
        for place in content.sources.into_iter().map(Candidate::from) {
            let state = if place.alive { "" } else { "  (given up)" };
            text.push_str(&format!("\n    {}: {:?}{state}", safe(&place.peer), place.path));
        }
    }
    ClientError::Failed(text)
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::Entry;

    use super::*;

    fn source(name: &str, digest: u8, alive: bool) -> Source {
        Source {
            publisher: Some(Peer { name: name.to_owned(), id: vec![7; 20], ..Peer::default() }),
            services: None,
            entry: Some(Entry { size: 5, digest: vec![digest; 32], ..Entry::default() }),
            alive,
        }
    }

    #[test]
    fn living_holders_come_first() {
        let sources = vec![source("p1", 1, false), source("p2", 1, true)];
        let names: Vec<String> =
            choose(sources, None, None).expect("one file").into_iter().map(|place| place.peer).collect();
        assert_eq!(names, ["p2", "p1"]);
    }

    #[test]
    fn what_cannot_be_chosen_is_listed_or_not_found() {
        let sources = vec![source("p1", 1, true), source("p2", 2, false)];
        let error = choose(sources.clone(), None, None).expect_err("two files");
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains(&format!("blake3:{}  5 B, 1 holder", "01".repeat(32))), "{text}");
        assert!(text.contains("p2: \"\"  (given up)"), "{text}");
        let digest: DigestPrefix = "0303".parse().expect("a digest");
        for (from, digest, word) in [
            (Some("p9"), None, "p9"),
            (None, Some(&digest), "0303"),
            (Some("p1"), Some(&digest), "p1 has no"),
        ] {
            let none = choose(sources.clone(), from, digest).expect_err("no such source");
            assert!(none.exit_code() == 4 && none.to_string().contains(word), "{none}");
        }
    }
}
