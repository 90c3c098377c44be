//! Which of the sources found are meant: one name may stand for different bytes in different places. chord-cli
//! and the gateway choose by the same rule.

use std::fmt;
use std::str::FromStr;

use chordial_proto::chord_v1::Source;

use crate::error::ClientError;
use crate::views::hex;

/// Fewer digits than this say too little.
const LEAST_DIGITS: usize = 4;

/// A BLAKE3 digest or its first digits, at least 4, with or without `blake3:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestPrefix(String);

impl DigestPrefix {
    /// Whether `digest` begins so; one that is not computed yet does not.
    pub fn fits(&self, digest: &[u8]) -> bool {
        hex(digest).starts_with(&self.0)
    }
}

impl FromStr for DigestPrefix {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let digits = text.strip_prefix("blake3:").unwrap_or(text);
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match hexadecimal && (LEAST_DIGITS..=64).contains(&digits.len()) {
            true => Ok(Self(digits.to_ascii_lowercase())),
            false => Err(ClientError::Usage(format!(
                "{text:?} is not a digest: give its 64 hexadecimal digits, or at least the first {LEAST_DIGITS}"
            ))),
        }
    }
}

impl fmt::Display for DigestPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.0)
    }
}

/// Sources of the same bytes, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// BLAKE3, 32 bytes; empty until a holder has computed it.
    pub digest: Vec<u8>,
    /// Bytes.
    pub size: u64,
    /// In the order in which they were found.
    pub sources: Vec<Source>,
}

/// Why no single content was chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Unclear {
    /// The peer asked for is not among the sources.
    NoSuchPeer,
    /// No source that was left has the digest asked for.
    NoSuchDigest,
    /// Different bytes.
    Several(Vec<Content>),
}

/// The one content that is meant. `peer` is a name or an identifier.
///
/// Sources without a digest yet are left aside where a content with one has their size: they may be that.
///
/// # Errors
/// [`Unclear`], where what fits is nothing, or not all the same.
pub fn choose(
    mut sources: Vec<Source>,
    peer: Option<&str>,
    digest: Option<&DigestPrefix>,
) -> Result<Content, Unclear> {
    if let Some(peer) = peer {
        let is = |source: &Source| {
            let publisher = source.publisher.as_ref();
            publisher.is_some_and(|known| known.name == peer || hex(&known.id).eq_ignore_ascii_case(peer))
        };
        sources.retain(is);
        if sources.is_empty() {
            return Err(Unclear::NoSuchPeer);
        }
    }
    if let Some(digest) = digest {
        sources.retain(|source| source.entry.as_ref().is_some_and(|entry| digest.fits(&entry.digest)));
    }
    let mut contents = by_content(sources);
    let sizes: Vec<u64> = contents.iter().filter(|c| !c.digest.is_empty()).map(|c| c.size).collect();
    contents.retain(|content| !content.digest.is_empty() || !sizes.contains(&content.size));
    match contents.len() {
        0 | 1 => contents.pop().ok_or(Unclear::NoSuchDigest),
        _ => Err(Unclear::Several(contents)),
    }
}

/// Sources of the same digest together, in the order in which they were found; those without a digest are
/// told apart by their sizes.
pub fn by_content(sources: Vec<Source>) -> Vec<Content> {
    let mut contents: Vec<Content> = Vec::new();
    for source in sources {
        let entry = source.entry.as_ref();
        let (digest, size) = entry.map_or((&[][..], 0), |entry| (&entry.digest, entry.size));
        match contents.iter_mut().find(|content| content.digest == digest && content.size == size) {
            Some(content) => content.sources.push(source),
            None => contents.push(Content { digest: digest.to_vec(), size, sources: vec![source] }),
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::{Entry, Peer};

    use super::*;

    fn source(name: &str, digest: Option<u8>, size: u64) -> Source {
        let digest = digest.map_or_else(Vec::new, |byte| vec![byte; 32]);
        Source {
            publisher: Some(Peer { name: name.to_owned(), id: vec![0xa7; 20], ..Peer::default() }),
            services: None,
            entry: Some(Entry { size, digest, ..Entry::default() }),
            alive: true,
        }
    }

    fn names(chosen: Result<Content, Unclear>) -> Vec<String> {
        let sources = chosen.expect("one content").sources.into_iter();
        sources.map(|source| source.publisher.unwrap_or_default().name).collect()
    }

    fn prefix(text: &str) -> DigestPrefix {
        text.parse().expect(text)
    }

    #[test]
    fn the_same_bytes_in_several_places_are_one_content() {
        let sources = vec![source("p1", Some(1), 5), source("p2", Some(1), 5), source("p3", None, 5)];
        assert_eq!(names(choose(sources, None, None)), ["p1", "p2"]);
    }

    #[test]
    fn different_bytes_must_be_chosen_from() {
        let sources =
            vec![source("p1", Some(0x11), 5), source("p2", Some(0x12), 5), source("p3", Some(0x11), 5)];
        let Err(Unclear::Several(contents)) = choose(sources.clone(), None, None) else {
            panic!("one content")
        };
        let sizes: Vec<usize> = contents.iter().map(|content| content.sources.len()).collect();
        assert_eq!(sizes, [2, 1]);
        assert_eq!(names(choose(sources.clone(), Some("p2"), None)), ["p2"]);
        assert_eq!(names(choose(sources.clone(), None, Some(&prefix("blake3:1111")))), ["p1", "p3"]);
        assert_eq!(names(choose(sources.clone(), Some("p3"), Some(&prefix("1111")))), ["p3"]);
        let id = "A7".repeat(20);
        assert!(matches!(choose(sources.clone(), Some(&id), None), Err(Unclear::Several(_))));
        assert_eq!(choose(sources.clone(), Some("p9"), None), Err(Unclear::NoSuchPeer));
        assert_eq!(choose(sources.clone(), None, Some(&prefix("1313"))), Err(Unclear::NoSuchDigest));
        assert_eq!(choose(sources, Some("p2"), Some(&prefix("1111"))), Err(Unclear::NoSuchDigest));
    }

    #[test]
    fn without_digests_sizes_tell_contents_apart() {
        let sources = vec![source("p1", None, 5), source("p2", None, 6)];
        assert!(matches!(choose(sources.clone(), None, None), Err(Unclear::Several(_))));
        assert_eq!(names(choose(sources, Some("p1"), None)), ["p1"]);
        let same = vec![source("p1", None, 5), source("p2", None, 5)];
        assert_eq!(names(choose(same, None, None)), ["p1", "p2"]);
        let differs = vec![source("p1", Some(1), 5), source("p2", None, 6)];
        assert!(matches!(choose(differs, None, None), Err(Unclear::Several(_))));
    }

    #[test]
    fn digests_are_read_as_people_copy_them() {
        let digits = "aB".repeat(32);
        assert_eq!(prefix(&format!("blake3:{digits}")).to_string(), format!("blake3:{}", "ab".repeat(32)));
        assert!(prefix(&digits).fits(&[0xab; 32]) && prefix("ABAB").fits(&[0xab; 32]));
        assert!(!prefix("abab").fits(&[]) && !prefix("abac").fits(&[0xab; 32]));
        for wrong in ["", "blake3:", "abc", "g000", &"ab".repeat(33), "blake2:abcd"] {
            assert!(wrong.parse::<DigestPrefix>().is_err(), "{wrong:?} was taken");
        }
    }
}
