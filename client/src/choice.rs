//! Which of the sources found are taken: one name may stand for different bytes in different places.

use chord_client::ClientError;
use chord_client::views::{digest_text, hex};
use chordial_proto::chord_v1::Source;

use crate::args::Digest;
use crate::output::size;

/// One place to fetch a file from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The holder's name.
    pub peer: String,
    /// The holder's identifier.
    pub id: String,
    /// The holder's transfer port, as it was published.
    pub transfer: String,
    /// Relative to the holder's directory.
    pub path: String,
    /// Bytes.
    pub size: u64,
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
            peer: publisher.name,
            id: hex(&publisher.id),
            transfer: source.services.unwrap_or_default().transfer,
            path: entry.path,
            size: entry.size,
            digest: entry.digest.try_into().ok(),
            alive: source.alive,
        }
    }
}

/// The places of one and the same file, living holders first.
///
/// # Errors
/// [`ClientError::NotFound`] where nothing fits the choice; [`ClientError::Failed`], with a list, where what
/// fits is not all the same.
pub fn choose(
    sources: Vec<Source>,
    from: Option<&str>,
    digest: Option<Digest>,
) -> Result<Vec<Candidate>, ClientError> {
    let mut places: Vec<Candidate> = sources.into_iter().map(Candidate::from).collect();
    if let Some(peer) = from {
        places.retain(|place| place.peer == peer || place.id.eq_ignore_ascii_case(peer));
        if places.is_empty() {
            return Err(ClientError::NotFound(format!(
                "{peer} does not share this file; `find` lists who does"
            )));
        }
    }
    if let Some(Digest(digest)) = digest {
        places.retain(|place| place.digest == Some(digest));
        if places.is_empty() {
            return Err(ClientError::NotFound(format!(
                "no holder has the file with digest blake3:{}; `find` lists those there are",
                hex(&digest)
            )));
        }
    }
    // Where a digest is known, sources without one are left aside: they may be anything.
    if places.iter().any(|place| place.digest.is_some()) {
        if let Some(first) = places.iter().find_map(|place| place.digest)
            && places.iter().all(|place| place.digest.is_none_or(|digest| digest == first))
        {
            places.retain(|place| place.digest.is_some());
        } else {
            return Err(several(&places));
        }
    } else if places.windows(2).any(|pair| pair[0].size != pair[1].size) {
        return Err(several(&places));
    }
    places.sort_by_key(|place| !place.alive);
    Ok(places)
}

fn several(places: &[Candidate]) -> ClientError {
    let mut text =
        "this name has different bytes in different places; choose with --from or --digest:".to_owned();
    let mut places: Vec<&Candidate> = places.iter().collect();
    places.sort_by_key(|place| place.digest);
    for place in places {
        let digest = place.digest.and_then(|digest| digest_text(&digest));
        let digest = digest.unwrap_or_else(|| "digest not yet computed".to_owned());
        text.push_str(&format!("\n  {digest}  {}  {}: {:?}", size(place.size), place.peer, place.path));
    }
    ClientError::Failed(text)
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::{Entry, Peer};

    use super::*;

    fn source(name: &str, digest: Option<u8>, size: u64, alive: bool) -> Source {
        Source {
            publisher: Some(Peer { name: name.to_owned(), id: vec![7; 20], ..Peer::default() }),
            services: None,
            entry: Some(Entry {
                size,
                digest: digest.map_or_else(Vec::new, |byte| vec![byte; 32]),
                ..Entry::default()
            }),
            alive,
        }
    }

    fn names(chosen: Result<Vec<Candidate>, ClientError>) -> Vec<String> {
        chosen.expect("one file").into_iter().map(|place| place.peer).collect()
    }

    #[test]
    fn the_same_bytes_in_several_places_are_one_file() {
        let sources = vec![
            source("p1", Some(1), 5, false),
            source("p2", Some(1), 5, true),
            source("p3", None, 9, true),
        ];
        assert_eq!(names(choose(sources, None, None)), ["p2", "p1"]);
    }

    #[test]
    fn different_bytes_must_be_chosen_from() {
        let sources = vec![source("p1", Some(1), 5, true), source("p2", Some(2), 5, true)];
        let error = choose(sources.clone(), None, None).expect_err("two files");
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains(&format!("blake3:{}", "01".repeat(32))) && text.contains("p2"), "{text}");
        assert_eq!(names(choose(sources.clone(), Some("p2"), None)), ["p2"]);
        assert_eq!(names(choose(sources.clone(), None, Some(Digest([1; 32])))), ["p1"]);
        let none = choose(sources.clone(), Some("p9"), None).expect_err("no such holder");
        assert_eq!(none.exit_code(), 4);
        let none = choose(sources, None, Some(Digest([3; 32]))).expect_err("no such digest");
        assert_eq!(none.exit_code(), 4);
    }

    #[test]
    fn without_digests_sizes_tell_files_apart() {
        let sources = vec![source("p1", None, 5, true), source("p2", None, 6, true)];
        assert!(choose(sources.clone(), None, None).is_err());
        assert_eq!(names(choose(sources, Some("p1"), None)), ["p1"]);
        let same = vec![source("p1", None, 5, true), source("p2", None, 5, true)];
        assert_eq!(names(choose(same, None, None)), ["p1", "p2"]);
    }
}
