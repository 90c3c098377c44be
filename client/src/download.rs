//! One file from whichever of its holders gives it, verified: what has arrived, and when it begins anew.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chord_client::views::{digest_text, hex};
use chord_client::{ClientError, Holder, ServiceHosts};
use chordial_proto::transfer_v1::FileHeader;
use futures::StreamExt as _;

use crate::candidate::Candidate;
use crate::output::{safe, size};
use crate::part::Part;
use crate::progress::Progress;

/// Why a download does not go on.
pub enum Fault {
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
pub struct Download {
    sink: Sink,
    hasher: blake3::Hasher,
    /// Bytes of the file that are here, those of an earlier run included.
    written: u64,
    /// Bytes that this run has received.
    received: u64,
    /// Part of it was left by an earlier run.
    resumed: bool,
    progress: Progress,
}

/// Who gave the last byte, and the digest verified.
pub type Given<'a> = (&'a Candidate, Option<String>);

impl Download {
    /// Opens the part of `target`, with what an earlier run left of the same content; `None` is standard
    /// output. All `candidates` are of one content. `progress` shows how far it is.
    ///
    /// # Errors
    /// As [`Part::open`].
    pub fn open(
        target: Option<&Path>,
        candidates: &[Candidate],
        progress: Progress,
    ) -> Result<Self, ClientError> {
        let mut hasher = blake3::Hasher::new();
        let mut written = 0;
        let (digest, all) = candidates.first().map_or((None, 0), |first| (first.digest, first.size));
        let sink = match target {
            None => Sink::Stdout(io::stdout()),
            Some(target) => {
                let mut part = Part::open(target, digest.as_ref())?;
                // Without a digest nobody can tell whether what is there is a piece of this file.
                if digest.is_some() {
                    written = part.resume(&mut hasher)?;
                }
                if digest.is_none() || written > all {
                    (written, hasher) = (0, blake3::Hasher::new());
                    part.restart()?;
                }
                if written > 0 {
                    progress.say(&format!(
                        "resuming {} at {} %: {} of {} are here already",
                        target.display(),
                        (u128::from(written) * 100).checked_div(u128::from(all)).unwrap_or(100),
                        size(written),
                        size(all)
                    ));
                }
                Sink::Part(part)
            }
        };
        Ok(Self { sink, hasher, written, received: 0, resumed: written > 0, progress })
    }

    /// Bytes of the whole file, and those that this run has received.
    pub fn bytes(&self) -> (u64, u64) {
        (self.written, self.received)
    }

    /// Tries one candidate after the other.
    ///
    /// # Errors
    /// The worst of what went wrong.
    pub async fn try_all<'a>(
        &mut self,
        candidates: &'a [Candidate],
        hosts: &ServiceHosts,
        timeout: Duration,
    ) -> Result<Given<'a>, Fault> {
        let mut worst: Option<ClientError> = None;
        for (index, candidate) in candidates.iter().enumerate() {
            let error = loop {
                let outcome = self.try_one(candidate, hosts, timeout).await;
                self.progress.clear();
                match outcome {
                    Ok(digest) => return Ok((candidate, digest)),
                    Err(Fault::Holder(error)) => {
                        let wrong = matches!(error, ClientError::Integrity(_));
                        let again = wrong && std::mem::take(&mut self.resumed);
                        if wrong || candidate.digest.is_none() {
                            self.restart(&error)?;
                        }
                        if !again {
                            break error;
                        }
                        self.progress.say("what an earlier run left does not fit; starting anew");
                    }
                    Err(fault) => return Err(fault),
                }
            };
            if let Some(next) = candidates.get(index + 1) {
                self.progress.say(&format!(
                    "{}: {error}; trying {}",
                    safe(&candidate.peer),
                    safe(&next.peer)
                ));
            }
            if worst.as_ref().is_none_or(|worst| gravity(&error) >= gravity(worst)) {
                worst = Some(error);
            }
        }
        let none = || ClientError::NotFound("there is no holder left to ask".to_owned());
        Err(Fault::Holder(worst.unwrap_or_else(none)))
    }

    async fn try_one(
        &mut self,
        from: &Candidate,
        hosts: &ServiceHosts,
        timeout: Duration,
    ) -> Result<Option<String>, Fault> {
        if self.written > 0 && from.digest == Some(*self.hasher.finalize().as_bytes()) {
            return Ok(from.digest.and_then(|digest| digest_text(&digest)));
        }
        if self.written > 0 && self.written >= from.size {
            return Err(Fault::Holder(ClientError::Integrity("what has arrived is another file".to_owned())));
        }
        let address = hosts.address(&from.holder, "transfer", &from.transfer).map_err(Fault::Holder)?;
        let holder = Holder::connect(&address, timeout).await.map_err(Fault::Holder)?;
        let opened = holder.open(&from.path, self.written, 0).await;
        let (header, mut bytes) = opened.map_err(|error| {
            Fault::Holder(match error {
                // The path came from the index, not from whoever typed the command.
                ClientError::Usage(why) => ClientError::Failed(why),
                error => error,
            })
        })?;
        let mut promised = promised(from, &header).map_err(Fault::Holder)?;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(Fault::Holder)?;
            self.write(&chunk)?;
            self.progress.at(self.written, header.size);
        }
        if promised.is_none() {
            promised = computed_meanwhile(&holder, &header).await;
        }
        let arrived = *self.hasher.finalize().as_bytes();
        match promised {
            Some(promised) if promised != arrived => Err(Fault::Holder(ClientError::Integrity(format!(
                "the bytes from {} are not the promised ones: BLAKE3 {}, promised {}",
                safe(&from.peer),
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
        self.received += bytes.len() as u64;
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

    /// Makes what has arrived the file that was wanted; `None` on standard output.
    ///
    /// # Errors
    /// As [`Part::finish`].
    pub fn finish(self) -> Result<Option<PathBuf>, ClientError> {
        match self.sink {
            Sink::Part(part) => part.finish().map(Some),
            Sink::Stdout(_) => Ok(None),
        }
    }

    /// Whether nothing of it has reached anybody, so that another file may take its place.
    pub fn may_be_replaced(&self) -> bool {
        matches!(self.sink, Sink::Part(_)) || self.written == 0
    }

    /// What can be continued another time stays.
    pub fn give_up(self, error: &ClientError, candidates: &[Candidate]) {
        let Self { sink: Sink::Part(part), progress, written, .. } = self else { return };
        let known = candidates.first().is_some_and(|candidate| candidate.digest.is_some());
        let useless = matches!(error, ClientError::Integrity(_) | ClientError::Changed(_));
        match known && written > 0 && !useless {
            true => progress.say("what has arrived is kept; the same command goes on from there"),
            false => part.discard(),
        }
    }
}

/// That somebody sent wrong bytes is worth more attention than that the file changed, and that more than that
/// somebody was silent.
fn gravity(error: &ClientError) -> u8 {
    match error {
        ClientError::Integrity(_) => 2,
        ClientError::Changed(_) => 1,
        _ => 0,
    }
}

/// The digest to verify, if there is one yet: the index's, or the holder's own where the index has none.
fn promised(from: &Candidate, header: &FileHeader) -> Result<Option<[u8; 32]>, ClientError> {
    let own: Option<[u8; 32]> = header.digest.as_ref().try_into().ok();
    let Some(digest) = from.digest else { return Ok(own) };
    let same = match own {
        Some(own) => own == digest,
        None => header.modified_ms == from.modified_ms,
    };
    match same && header.size == from.size {
        true => Ok(Some(digest)),
        false => Err(ClientError::Changed(format!(
            "{:?} at {} is no longer the file that the index promised",
            header.path,
            safe(&from.peer)
        ))),
    }
}

/// The digest of the file just downloaded, if the holder has come to know it.
async fn computed_meanwhile(holder: &Holder, downloaded: &FileHeader) -> Option<[u8; 32]> {
    let now = holder.stat(&downloaded.path).await.ok()?;
    let same = (now.size, now.modified_ms) == (downloaded.size, downloaded.modified_ms);
    now.digest.as_ref().try_into().ok().filter(|_| same)
}
