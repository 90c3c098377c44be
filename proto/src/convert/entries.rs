//! Entries, sources, digests, and what keepers pass on.

use std::sync::Arc;
use std::time::Duration;

use chord::index::{
    ArcAnswer, ArcDigest, Digest, File, KeptArc, KeptBatch, KeptKey, PublisherDigest, Reading, Source,
    Statement, Text, Verdict, word_key,
};

use super::peers::wire_peers;
use super::{
    MAX_ENTRIES, MAX_KEYS, MAX_NAME, MAX_PATH, MAX_PEERS, MAX_TEXT, Malformed, at_most, bytes, id, list,
    malformed, optional_id, required, text,
};
use crate::{catalog_v1 as catalog, chord_v1 as wire};

/// A file under its name or a word, as it travels in a list whose key and word are told once for all.
fn wire_entry(file: &File) -> wire::Entry {
    // Nearly always the path ends in the name.
    let named = file.path.rsplit('/').next() == Some(&*file.name);
    wire::Entry {
        kind: wire::EntryKind::Unspecified.into(),
        key: Vec::new(),
        name: if named { String::new() } else { file.name.to_string() },
        path: file.path.to_string(),
        size: file.size,
        modified_ms: file.modified_ms,
        digest: file.digest.map(Vec::from).unwrap_or_default(),
        text: file.text.0.to_string(),
    }
}

/// The file of an entry, whatever its key.
///
/// # Errors
/// The field that is malformed.
pub fn file_of(mut entry: wire::Entry) -> Result<Arc<File>, Malformed> {
    if entry.name.is_empty() {
        entry.name = entry.path.rsplit('/').next().unwrap_or_default().to_string();
    }
    let file = file(
        catalog::File {
            name: entry.name,
            path: entry.path,
            size: entry.size,
            modified_ms: entry.modified_ms,
            digest: entry.digest,
        },
        ["Entry.name", "Entry.path", "Entry.digest"],
    )?;
    Ok(Arc::new(File { text: Text(text(entry.text, MAX_TEXT, "Entry.text")?), ..file }))
}

/// A file as people are told of it: by its name, without what only search needs.
pub fn named_entry(file: &File) -> wire::Entry {
    wire::Entry {
        kind: wire::EntryKind::Name.into(),
        key: bytes(file.key()),
        name: file.name.to_string(),
        text: String::new(),
        ..wire_entry(file)
    }
}

/// What a publisher has under one key, taken apart: key, word, total, entries.
pub(super) fn wire_statement(statement: Statement) -> (Vec<u8>, String, u64, Vec<wire::Entry>) {
    let all = statement.files.len() as u64 == statement.total;
    let entries = statement.files.iter().map(|file| wire_entry(file)).collect();
    let word = statement.word.map(|word| word.to_string()).unwrap_or_default();
    (bytes(statement.key), word, if all { 0 } else { statement.total }, entries)
}

/// The reverse. The key has to be that of the word, or else of every file's name.
pub(super) fn statement(
    key: &[u8],
    word: String,
    total: u64,
    entries: Vec<wire::Entry>,
    field: &'static str,
) -> Result<Statement, Malformed> {
    let key = id(key, field)?;
    let files = entries.into_iter().map(file_of).collect::<Result<Vec<_>, _>>()?;
    let word = if word.is_empty() { None } else { Some(text(word, MAX_TEXT, field)?) };
    match &word {
        Some(word) if key != word_key(word) => {
            return Err(malformed(field, format!("{key} is not where the word {word:?} belongs")));
        }
        Some(_) => {}
        None => {
            let mut known: Option<&str> = None;
            for file in &files {
                if known != Some(&*file.name) && file.key() != key {
                    return Err(malformed(field, format!("{key} is not the SHA-1 of {:?}", file.name)));
                }
                known = Some(&file.name);
            }
        }
    }
    Ok(Statement { key, word, total: total.max(files.len() as u64), files })
}

impl TryFrom<catalog::File> for File {
    type Error = Malformed;

    fn try_from(wire: catalog::File) -> Result<File, Malformed> {
        file(wire, ["File.name", "File.path", "File.digest"])
    }
}

impl From<File> for catalog::File {
    fn from(file: File) -> catalog::File {
        catalog::File {
            name: file.name.to_string(),
            path: file.path.to_string(),
            size: file.size,
            modified_ms: file.modified_ms,
            digest: file.digest.map(Vec::from).unwrap_or_default(),
        }
    }
}

/// The fields' names are those of name, path and digest.
fn file(wire: catalog::File, fields: [&'static str; 3]) -> Result<File, Malformed> {
    if wire.name.is_empty() {
        return Err(malformed(fields[0], "it is empty"));
    }
    let relative = |part: &str| !matches!(part, "" | "." | "..");
    if wire.path.contains('\0') || !wire.path.split('/').all(relative) {
        return Err(malformed(fields[1], "it is not a path below a directory"));
    }
    let digest = match wire.digest.len() {
        0 => None,
        length => Some(
            <[u8; 32]>::try_from(wire.digest)
                .map_err(|_| malformed(fields[2], format!("it has {length} bytes, not 32")))?,
        ),
    };
    Ok(File {
        name: text(wire.name, MAX_NAME, fields[0])?,
        path: text(wire.path, MAX_PATH, fields[1])?,
        size: wire.size,
        modified_ms: wire.modified_ms,
        digest,
        text: Text::default(),
    })
}

impl From<Source> for wire::Source {
    fn from(source: Source) -> wire::Source {
        wire::Source {
            publisher: Some(source.publisher.into()),
            services: Some(source.services.into()),
            entry: Some(named_entry(&source.file)),
            alive: source.alive,
        }
    }
}

impl TryFrom<wire::Source> for Source {
    type Error = Malformed;

    fn try_from(source: wire::Source) -> Result<Source, Malformed> {
        Ok(Source {
            publisher: required(source.publisher, "Source.publisher")?.try_into()?,
            services: source.services.unwrap_or_default().try_into()?,
            file: file_of(required(source.entry, "Source.entry")?)?,
            alive: source.alive,
        })
    }
}

impl From<Reading> for wire::Reading {
    fn from(reading: Reading) -> wire::Reading {
        wire::Reading {
            sources: reading.sources.into_iter().map(Into::into).collect(),
            total: reading.total,
            complete: reading.complete,
            next: reading.next.map(bytes).unwrap_or_default(),
            held: reading.held,
            withheld: reading.withheld,
            unread: reading.unread,
        }
    }
}

impl TryFrom<wire::Reading> for Reading {
    type Error = Malformed;

    fn try_from(reading: wire::Reading) -> Result<Reading, Malformed> {
        Ok(Reading {
            sources: list(reading.sources, MAX_ENTRIES, "Reading.sources")?,
            total: reading.total,
            complete: reading.complete,
            next: optional_id(&reading.next, "Reading.next")?,
            held: reading.held,
            withheld: reading.withheld,
            unread: reading.unread,
        })
    }
}

impl From<ArcDigest> for wire::ArcDigest {
    fn from(arc: ArcDigest) -> wire::ArcDigest {
        wire::ArcDigest {
            from: bytes(arc.from),
            to: bytes(arc.to),
            count: arc.digest.count,
            sum: arc.digest.sum.to_be_bytes().to_vec(),
        }
    }
}

impl TryFrom<wire::ArcDigest> for ArcDigest {
    type Error = Malformed;

    fn try_from(arc: wire::ArcDigest) -> Result<ArcDigest, Malformed> {
        Ok(ArcDigest {
            from: id(&arc.from, "ArcDigest.from")?,
            to: id(&arc.to, "ArcDigest.to")?,
            digest: Digest { count: arc.count, sum: sum(&arc.sum, "ArcDigest.sum")? },
        })
    }
}

fn sum(bytes: &[u8], field: &'static str) -> Result<u128, Malformed> {
    let bytes: [u8; 16] =
        bytes.try_into().map_err(|_| malformed(field, format!("it has {} bytes, not 16", bytes.len())))?;
    Ok(u128::from_be_bytes(bytes))
}

impl From<ArcAnswer> for wire::ArcAnswer {
    fn from(answer: ArcAnswer) -> wire::ArcAnswer {
        let verdict = match answer.verdict {
            Verdict::Same => wire::ArcVerdict::Same,
            Verdict::Empty => wire::ArcVerdict::Send,
            Verdict::Differs => wire::ArcVerdict::Different,
        };
        wire::ArcAnswer { verdict: verdict.into(), owner: answer.owner.map(Into::into) }
    }
}

impl TryFrom<wire::ArcAnswer> for ArcAnswer {
    type Error = Malformed;

    fn try_from(answer: wire::ArcAnswer) -> Result<ArcAnswer, Malformed> {
        let verdict = match answer.verdict() {
            wire::ArcVerdict::Same => Verdict::Same,
            wire::ArcVerdict::Send => Verdict::Empty,
            wire::ArcVerdict::Different => Verdict::Differs,
            wire::ArcVerdict::Unspecified => return Err(malformed("ArcAnswer.verdict", "it is not set")),
        };
        Ok(ArcAnswer { verdict, owner: answer.owner.map(TryInto::try_into).transpose()? })
    }
}

impl From<KeptArc> for wire::KeptArc {
    fn from(arc: KeptArc) -> wire::KeptArc {
        wire::KeptArc { from: bytes(arc.from), keepers: wire_peers(arc.keepers) }
    }
}

impl TryFrom<wire::KeptArc> for KeptArc {
    type Error = Malformed;

    fn try_from(arc: wire::KeptArc) -> Result<KeptArc, Malformed> {
        Ok(KeptArc {
            from: id(&arc.from, "KeptArc.from")?,
            keepers: list(arc.keepers, MAX_PEERS, "KeptArc.keepers")?,
        })
    }
}

impl From<PublisherDigest> for wire::PublisherDigest {
    fn from(digest: PublisherDigest) -> wire::PublisherDigest {
        wire::PublisherDigest {
            publisher: Some(digest.publisher.into()),
            age_ms: millis(digest.age),
            covered_ms: millis(digest.covered),
            whole: digest.whole,
            count: digest.digest.count,
            sum: digest.digest.sum.to_be_bytes().to_vec(),
        }
    }
}

impl TryFrom<wire::PublisherDigest> for PublisherDigest {
    type Error = Malformed;

    fn try_from(digest: wire::PublisherDigest) -> Result<PublisherDigest, Malformed> {
        Ok(PublisherDigest {
            publisher: required(digest.publisher, "PublisherDigest.publisher")?.try_into()?,
            age: Duration::from_millis(digest.age_ms),
            covered: Duration::from_millis(digest.covered_ms),
            whole: digest.whole,
            digest: Digest { count: digest.count, sum: sum(&digest.sum, "PublisherDigest.sum")? },
        })
    }
}

/// A time, cut to whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<KeptBatch> for wire::Kept {
    fn from(batch: KeptBatch) -> wire::Kept {
        let keys = batch.keys.into_iter().map(|kept| {
            let (key, word, total, entries) = wire_statement(kept.statement);
            wire::KeptKey { key, sequence: kept.sequence, entries, word, total, age_ms: millis(kept.age) }
        });
        let whole = batch.whole;
        wire::Kept {
            publisher: Some(batch.publisher.into()),
            services: Some(batch.services.into()),
            age_ms: millis(batch.age),
            given_up: batch.given_up,
            keys: keys.collect(),
            whole: whole.map_or(0, |(_, _, sequence)| sequence),
            arc_from: whole.map(|(from, ..)| bytes(from)).unwrap_or_default(),
            arc_to: whole.map(|(_, to, _)| bytes(to)).unwrap_or_default(),
        }
    }
}

impl TryFrom<wire::Kept> for KeptBatch {
    type Error = Malformed;

    fn try_from(kept: wire::Kept) -> Result<KeptBatch, Malformed> {
        at_most(kept.keys.len(), MAX_KEYS, "Kept.keys")?;
        let key = |kept: wire::KeptKey| {
            let statement = statement(&kept.key, kept.word, kept.total, kept.entries, "KeptKey.entries")?;
            Ok(KeptKey { sequence: kept.sequence, age: Duration::from_millis(kept.age_ms), statement })
        };
        let arc = || Ok((id(&kept.arc_from, "Kept.arc_from")?, id(&kept.arc_to, "Kept.arc_to")?, kept.whole));
        let whole = if kept.whole == 0 { None } else { Some(arc()?) };
        Ok(KeptBatch {
            whole,
            given_up: kept.given_up,
            publisher: required(kept.publisher, "Kept.publisher")?.try_into()?,
            services: kept.services.unwrap_or_default().try_into()?,
            age: Duration::from_millis(kept.age_ms),
            keys: kept.keys.into_iter().map(key).collect::<Result<_, Malformed>>()?,
        })
    }
}
