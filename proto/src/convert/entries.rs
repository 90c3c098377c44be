//! Entries, sources, digests, and what keepers pass on.

use std::time::Duration;

use chord::Id;
use chord::index::{
    ArcAnswer, ArcDigest, Digest, Entry, File, KeptArc, KeptBatch, KeptKey, Kind, PublisherDigest, Reading,
    Source,
};

use super::peers::wire_peers;
use super::{
    MAX_ENTRIES, MAX_KEYS, MAX_NAME, MAX_PATH, MAX_PEERS, Malformed, at_most, bytes, id, list, malformed,
    optional_id, required, text,
};
use crate::{catalog_v1 as catalog, chord_v1 as wire};

impl From<Entry> for wire::Entry {
    fn from(entry: Entry) -> wire::Entry {
        let kind = match entry.kind {
            Kind::Name => wire::EntryKind::Name,
            Kind::Word => wire::EntryKind::Word,
        };
        wire::Entry {
            kind: kind.into(),
            key: bytes(entry.key),
            name: entry.file.name.to_string(),
            path: entry.file.path.to_string(),
            size: entry.file.size,
            modified_ms: entry.file.modified_ms,
            digest: entry.file.digest.map(Vec::from).unwrap_or_default(),
        }
    }
}

impl TryFrom<wire::Entry> for Entry {
    type Error = Malformed;

    fn try_from(entry: wire::Entry) -> Result<Entry, Malformed> {
        let kind = match entry.kind() {
            wire::EntryKind::Name => Kind::Name,
            wire::EntryKind::Word => Kind::Word,
            wire::EntryKind::Unspecified => return Err(malformed("Entry.kind", "it is not set")),
        };
        let key = id(&entry.key, "Entry.key")?;
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
        if kind == Kind::Name && key != Id::of(file.name.as_bytes()) {
            return Err(malformed("Entry.key", format!("{key} is not the SHA-1 of {:?}", file.name)));
        }
        Ok(Entry { kind, key, file })
    }
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
    })
}

impl From<Source> for wire::Source {
    fn from(source: Source) -> wire::Source {
        wire::Source {
            publisher: Some(source.publisher.into()),
            services: Some(source.services.into()),
            entry: Some(source.entry.into()),
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
            entry: required(source.entry, "Source.entry")?.try_into()?,
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
        let verdict = if answer.same { wire::ArcVerdict::Same } else { wire::ArcVerdict::Send };
        wire::ArcAnswer { verdict: verdict.into(), owner: answer.owner.map(Into::into) }
    }
}

impl TryFrom<wire::ArcAnswer> for ArcAnswer {
    type Error = Malformed;

    fn try_from(answer: wire::ArcAnswer) -> Result<ArcAnswer, Malformed> {
        let same = match answer.verdict() {
            wire::ArcVerdict::Same => true,
            wire::ArcVerdict::Send => false,
            wire::ArcVerdict::Unspecified => return Err(malformed("ArcAnswer.verdict", "it is not set")),
        };
        Ok(ArcAnswer { same, owner: answer.owner.map(TryInto::try_into).transpose()? })
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
            digest: Digest { count: digest.count, sum: sum(&digest.sum, "PublisherDigest.sum")? },
        })
    }
}

/// An age, cut to whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<KeptBatch> for wire::Kept {
    fn from(batch: KeptBatch) -> wire::Kept {
        let keys = batch.keys.into_iter().map(|key| wire::KeptKey {
            key: bytes(key.key),
            sequence: key.sequence,
            entries: wire_entries(key.entries),
        });
        wire::Kept {
            publisher: Some(batch.publisher.into()),
            services: Some(batch.services.into()),
            age_ms: millis(batch.age),
            keys: keys.collect(),
        }
    }
}

impl TryFrom<wire::Kept> for KeptBatch {
    type Error = Malformed;

    fn try_from(kept: wire::Kept) -> Result<KeptBatch, Malformed> {
        at_most(kept.keys.len(), MAX_KEYS, "Kept.keys")?;
        let key = |key: wire::KeptKey| {
            let (sequence, at) = (key.sequence, id(&key.key, "KeptKey.key")?);
            Ok(KeptKey { key: at, sequence, entries: entries(at, key.entries, "KeptKey.entries")? })
        };
        Ok(KeptBatch {
            publisher: required(kept.publisher, "Kept.publisher")?.try_into()?,
            services: kept.services.unwrap_or_default().try_into()?,
            age: Duration::from_millis(kept.age_ms),
            keys: kept.keys.into_iter().map(key).collect::<Result<_, Malformed>>()?,
        })
    }
}

pub(super) fn wire_entries(entries: Vec<Entry>) -> Vec<wire::Entry> {
    entries.into_iter().map(Into::into).collect()
}

/// The entries listed under one key; each must say that key.
pub(super) fn entries(key: Id, wire: Vec<wire::Entry>, field: &'static str) -> Result<Vec<Entry>, Malformed> {
    let entries: Vec<Entry> = list(wire, MAX_ENTRIES, field)?;
    match entries.iter().find(|entry| entry.key != key) {
        Some(stray) => Err(malformed(field, format!("an entry of key {} under key {key}", stray.key))),
        None => Ok(entries),
    }
}
