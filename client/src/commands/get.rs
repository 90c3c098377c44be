//! `get`: a file straight from a holder, verified, from another holder of the same bytes if one fails.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chord_client::views::{digest_text, hex};
use chord_client::{Client, ClientError, Holder};
use chordial_proto::transfer_v1::FileHeader;
use futures::StreamExt as _;
use serde::Serialize;

use crate::args::Get;
use crate::choice::{Candidate, choose};
use crate::commands::{somebody, transfer_port};
use crate::output::{Output, note, safe, size};
use crate::part::Part;
use crate::progress::Progress;

/// What was downloaded.
#[derive(Debug, Serialize)]
struct GotView {
    name: String,
    file: String,
    bytes: u64,
    digest: Option<String>,
    peer: String,
    path: String,
}

/// Finds, chooses and downloads.
pub async fn run(client: &Client, output: &Output, get: &Get, timeout: Duration) -> Result<u8, ClientError> {
    let target = target(get)?;
    let sources = somebody(&client.find(&get.name).await?, &get.name)?;
    let candidates = choose(sources, get.from.as_deref(), get.digest)?;
    let mut download = Download::open(target.as_deref(), &candidates)?;
    match download.try_all(&candidates, timeout).await {
        Ok((holder, digest)) => {
            let (bytes, path) = (download.written, holder.path.clone());
            let file = match download.sink {
                Sink::Part(part) => part.finish()?.display().to_string(),
                Sink::Stdout(_) => "-".to_owned(),
            };
            let (name, peer) = (get.name.clone(), holder.peer.clone());
            let got = GotView { name, file, bytes, digest, peer, path };
            match target {
                Some(_) => output.show(&got, show)?,
                None => note(&show(&got)),
            }
            Ok(0)
        }
        // Whoever read the bytes has had enough of them.
        Err(Fault::ReaderGone) => Ok(0),
        Err(Fault::Holder(error) | Fault::Here(error)) => {
            download.give_up(&error, &candidates);
            Err(error)
        }
    }
}

fn show(got: &GotView) -> String {
    let verified = match &got.digest {
        Some(digest) => format!("verified, {digest}"),
        None => "size verified; the holder has not computed a digest yet".to_owned(),
    };
    format!("{}: {} from {}; {verified}\n", safe(&got.file), size(got.bytes), safe(&got.peer))
}

/// Where to; `None` is standard output. Nothing that a peer says goes into a path.
fn target(get: &Get) -> Result<Option<PathBuf>, ClientError> {
    let named = || {
        let plain = !matches!(get.name.as_str(), "" | "." | "..") && !get.name.contains(['/', '\\']);
        match plain && !get.name.chars().any(char::is_control) {
            true => Ok(PathBuf::from(&get.name)),
            false => Err(ClientError::Usage(format!(
                "{:?} is not used as the name of a file here; say with -o where to put it",
                get.name
            ))),
        }
    };
    match &get.to {
        None => named().map(Some),
        Some(to) if to == Path::new("-") => Ok(None),
        Some(to) if to.is_dir() => Ok(Some(to.join(named()?))),
        Some(to) => Ok(Some(to.clone())),
    }
}

/// Why a download does not go on.
enum Fault {
    /// Another holder may do better.
    Holder(ClientError),
    /// No other holder helps.
    Here(ClientError),
    /// Standard output was closed.
    ReaderGone,
}

enum Sink {
    Stdout(io::Stdout),
    Part(Part),
}

/// What has arrived so far.
struct Download {
    sink: Sink,
    hasher: blake3::Hasher,
    written: u64,
    /// Part of it was left by an earlier run.
    resumed: bool,
    progress: Progress,
}

impl Download {
    fn open(target: Option<&Path>, candidates: &[Candidate]) -> Result<Self, ClientError> {
        let mut hasher = blake3::Hasher::new();
        let mut written = 0;
        let sink = match target {
            None => Sink::Stdout(io::stdout()),
            Some(target) => {
                let mut part = Part::open(target)?;
                // Without a digest nobody can tell whether what is there is a piece of this file.
                match candidates.first() {
                    Some(Candidate { digest: Some(_), size, .. }) => {
                        written = part.resume(&mut hasher)?;
                        if written > *size {
                            (written, hasher) = (0, blake3::Hasher::new());
                            part.restart()?;
                        }
                    }
                    _ => part.restart()?,
                }
                Sink::Part(part)
            }
        };
        Ok(Self { sink, hasher, written, resumed: written > 0, progress: Progress::new() })
    }

    /// Tries one candidate after the other; says which it was, and the digest verified.
    async fn try_all<'a>(
        &mut self,
        candidates: &'a [Candidate],
        timeout: Duration,
    ) -> Result<(&'a Candidate, Option<String>), Fault> {
        let mut worst = None;
        for (index, candidate) in candidates.iter().enumerate() {
            let error = loop {
                let outcome = self.try_one(candidate, timeout).await;
                self.progress.clear();
                match outcome {
                    Ok(digest) => return Ok((candidate, digest)),
                    Err(Fault::Holder(error)) => {
                        let integrity = matches!(error, ClientError::Integrity(_));
                        let again = integrity && std::mem::take(&mut self.resumed);
                        if integrity || candidate.digest.is_none() {
                            self.restart(&error)?;
                        }
                        if !again {
                            break error;
                        }
                        note("what an earlier run left does not fit; starting anew");
                    }
                    Err(fault) => return Err(fault),
                }
            };
            if let Some(next) = candidates.get(index + 1) {
                note(&format!("{}: {error}; trying {}", candidate.peer, next.peer));
            }
            // That somebody sent wrong bytes is worth more attention than that somebody else was silent.
            if !matches!(worst, Some(ClientError::Integrity(_))) {
                worst = Some(error);
            }
        }
        let none = || ClientError::NotFound("there is no holder left to ask".to_owned());
        Err(Fault::Holder(worst.unwrap_or_else(none)))
    }

    async fn try_one(&mut self, from: &Candidate, timeout: Duration) -> Result<Option<String>, Fault> {
        if self.written > 0 && from.digest == Some(*self.hasher.finalize().as_bytes()) {
            return Ok(from.digest.and_then(|digest| digest_text(&digest)));
        }
        if self.written > 0 && self.written >= from.size {
            return Err(Fault::Holder(ClientError::Integrity("what has arrived is another file".to_owned())));
        }
        let address = transfer_port(&from.transfer, &from.peer).map_err(Fault::Holder)?;
        let holder = Holder::connect(&address, timeout).await.map_err(Fault::Holder)?;
        let opened = holder.open(&from.path, self.written, 0).await;
        let (header, mut bytes) = opened.map_err(|error| {
            Fault::Holder(match error {
                // The path came from the index, not from whoever typed the command.
                ClientError::Usage(why) => ClientError::Failed(why),
                error => error,
            })
        })?;
        let promised = promised(from, &header).map_err(Fault::Holder)?;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(Fault::Holder)?;
            self.write(&chunk)?;
            self.progress.at(self.written, header.size);
        }
        let arrived = *self.hasher.finalize().as_bytes();
        match promised {
            Some(promised) if promised != arrived => Err(Fault::Holder(ClientError::Integrity(format!(
                "the bytes from {} are not the promised ones: BLAKE3 {}, promised {}",
                from.peer,
                hex(&arrived),
                hex(&promised)
            )))),
            promised => Ok(promised.and_then(|digest| digest_text(&digest))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.sink {
            Sink::Part(part) => part.write(bytes).map_err(Fault::Here)?,
            Sink::Stdout(stdout) => match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Fault::ReaderGone),
                Err(error) => {
                    let what = format!("cannot write to standard output: {error}");
                    return Err(Fault::Here(ClientError::Failed(what)));
                }
                Ok(()) => {}
            },
        }
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what has arrived; what is on standard output cannot be taken back.
    fn restart(&mut self, why: &ClientError) -> Result<(), Fault> {
        match &mut self.sink {
            Sink::Part(part) => part.restart().map_err(Fault::Here)?,
            Sink::Stdout(_) if self.written > 0 => {
                return Err(Fault::Here(match why {
                    ClientError::Integrity(what) => ClientError::Integrity(what.clone()),
                    _ => ClientError::Failed(format!("{why}; part of the file has been written already")),
                }));
            }
            Sink::Stdout(_) => {}
        }
        (self.written, self.hasher) = (0, blake3::Hasher::new());
        Ok(())
    }

    /// What can be continued another time stays.
    fn give_up(self, error: &ClientError, candidates: &[Candidate]) {
        let Sink::Part(part) = self.sink else { return };
        let known = candidates.first().is_some_and(|candidate| candidate.digest.is_some());
        let keep = known && self.written > 0 && !matches!(error, ClientError::Integrity(_));
        match keep {
            true => note("what has arrived is kept; the same command goes on from there"),
            false => part.discard(),
        }
    }
}

/// The digest to verify, if there is one yet: the index's, or the holder's own where the index has none.
fn promised(from: &Candidate, header: &FileHeader) -> Result<Option<[u8; 32]>, ClientError> {
    let own: Option<[u8; 32]> = header.digest.as_ref().try_into().ok();
    let Some(digest) = from.digest else { return Ok(own) };
    if header.size != from.size || own.is_some_and(|own| own != digest) {
        return Err(ClientError::Integrity(format!(
            "{:?} at {} is no longer the file that the index promised; ask again in a moment",
            header.path, from.peer
        )));
    }
    Ok(Some(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &str, to: Option<&str>) -> Get {
        Get { name: name.to_owned(), to: to.map(PathBuf::from), from: None, digest: None }
    }

    #[test]
    fn only_harmless_names_become_files() {
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\nb", "\u{1b}[2J"] {
            assert!(matches!(target(&get(name, None)), Err(ClientError::Usage(_))), "{name:?} was taken");
            assert!(target(&get(name, Some("there"))).is_ok());
        }
        assert_eq!(target(&get("a b.txt", None)).expect("a name"), Some(PathBuf::from("a b.txt")));
        assert_eq!(target(&get("a", Some("-"))).expect("standard output"), None);
        let folder = tempfile::tempdir().expect("a folder");
        let into = target(&get("a", folder.path().to_str())).expect("a folder");
        assert_eq!(into, Some(folder.path().join("a")));
    }
}
