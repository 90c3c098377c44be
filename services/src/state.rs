//! The state folder of a peer: what outlives a restart, and who is using it.
//!
//! | file | holds |
//! |---|---|
//! | `chord.lock` … | locked by the process that runs this service; says at which address it listens |
//! | `incarnation` | the number of this peer's latest life |
//! | `peers` | addresses of peers met, one `host:port` a line, latest first |
//! | `digests.redb` | the catalog's digests of files that it has read |

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::{HostPort, Service};

/// Remembered peers at most.
pub const MAX_PEERS: usize = 64;
/// The lowest bits of an incarnation are drawn at random, lest two processes that were given one identity and
/// start in the same millisecond take the same number, and nothing tells them apart. With these a million pairs
/// that start in the same second hold one such; and the number stays below 2^53, which every reader of JSON
/// takes in exactly, until the year 2248.
const RANDOM_BITS: u32 = 10;
/// A file of the state folder is read up to this many bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What can be wrong with a state folder.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A service of it runs already.
    #[error(
        "state folder {} is in use by another chord-peer (its service {service}): stop it or give this peer a \
         `state` of its own",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The service that is locked.
        service: Service,
    },
    /// The file system refuses.
    #[error("state folder: {} cannot be {what}: {source}; check its permissions or choose another `state`",
            path.display())]
    Io {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What was tried: "created", "written", ….
        what: &'static str,
        /// The system's word.
        source: io::Error,
    },
}

fn failed(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_path_buf();
    move |source| StateError::Io { path, what, source }
}

/// A peer's state folder. Calls block on the disk for a moment; files are small.
#[derive(Debug, Clone)]
pub struct StateFolder {
    path: PathBuf,
}

/// A service's part of the state folder, locked until this is dropped (or the process ends, however).
#[derive(Debug)]
pub struct ServiceLock {
    service: Service,
    file: File,
    path: PathBuf,
}

/// What a lock file holds while its service runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The service.
    pub service: Service,
    /// Where it listens.
    pub address: SocketAddr,
    /// The machine (or container) that it runs on: several may use one folder.
    pub host: String,
}

impl StateFolder {
    /// Opens the folder, creating it where it is missing.
    pub fn open(path: &Path) -> Result<StateFolder, StateError> {
        std::fs::create_dir_all(path).map_err(failed(path, "created"))?;
        Ok(StateFolder { path: path.to_path_buf() })
    }

    /// The folder without creating it, for those who only look.
    pub fn existing(path: &Path) -> StateFolder {
        StateFolder { path: path.to_path_buf() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Locks a service's part, so that no other process runs the same service of the same peer.
    pub fn lock(&self, service: Service) -> Result<ServiceLock, StateError> {
        let path = self.lock_path(service);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed(&path, "opened"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::InUse { path: self.path.clone(), service });
            }
            Err(TryLockError::Error(source)) => return Err(failed(&path, "locked")(source)),
        }
        // Left behind by a process that was killed.
        file.set_len(0).map_err(failed(&path, "written"))?;
        Ok(ServiceLock { service, file, path })
    }

    /// The services that say that they run on this machine. One that was killed still says so.
    pub fn running(&self) -> Vec<Running> {
        let host = host();
        let read =
            |service| serde_json::from_slice::<Running>(&read_bounded(&self.lock_path(service)).ok()?).ok();
        Service::ALL.into_iter().filter_map(read).filter(|running| running.host == host).collect()
    }

    /// The number of a new life: higher than all before it, and not below the clock (milliseconds since
    /// 1970, and random bits), so that a peer which lost its folder is newer, too. It is on the disk when this
    /// returns. Call it with the chord service's part locked.
    pub fn next_incarnation(&self, now: SystemTime) -> Result<u64, StateError> {
        let clock = now.duration_since(UNIX_EPOCH).map_or(1, |since| since.as_millis().max(1) as u64);
        let clock = clock << RANDOM_BITS | rand::random_range(0..1 << RANDOM_BITS);
        let stored = self.incarnation()?.and_then(|number| number.checked_add(1));
        let next = clock.max(stored.unwrap_or(0));
        self.note_incarnation(next)?;
        Ok(next)
    }

    /// Notes the number that this peer's life has now. It is on the disk when this returns.
    pub fn note_incarnation(&self, number: u64) -> Result<(), StateError> {
        self.replace("incarnation", format!("{number}\n").as_bytes())
    }

    /// The number of the latest life; none: there was none, or it can't be read.
    fn incarnation(&self) -> Result<Option<u64>, StateError> {
        let path = self.path.join("incarnation");
        match read_bounded(&path) {
            Ok(bytes) => {
                let number = String::from_utf8_lossy(&bytes).trim().parse().ok();
                if number.is_none() {
                    tracing::warn!(file = %path.display(), "unreadable incarnation: the clock's is taken");
                }
                Ok(number)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, "read")(error)),
        }
    }

    /// The peers remembered, latest first; lines that are no address are skipped.
    pub fn peers(&self) -> Vec<HostPort> {
        let bytes = read_bounded(&self.path.join("peers")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter_map(|line| line.trim().parse().ok()).take(MAX_PEERS).collect()
    }

    /// Remembers these peers, and only these; the first [`MAX_PEERS`] count.
    pub fn remember(&self, peers: &[HostPort]) -> Result<(), StateError> {
        let text: String = peers.iter().take(MAX_PEERS).map(|peer| format!("{peer}\n")).collect();
        self.replace("peers", text.as_bytes())
    }

    fn lock_path(&self, service: Service) -> PathBuf {
        self.path.join(format!("{service}.lock"))
    }

    /// Writes a file so that a crash leaves either its old content or its new one.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), StateError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.new"));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            // The rename itself is durable once the folder is.
            File::open(&self.path)?.sync_all()
        };
        write().map_err(failed(&path, "written"))
    }
}

impl ServiceLock {
    /// Says where the service listens, for `chord-peer health`.
    pub fn announce(&mut self, address: SocketAddr) -> Result<(), StateError> {
        let running = Running { service: self.service, address, host: host() };
        let write = |file: &mut File| {
            let text = serde_json::to_vec(&running)?;
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&text)
        };
        write(&mut self.file).map_err(failed(&self.path, "written"))
    }
}

impl Drop for ServiceLock {
    fn drop(&mut self) {
        // Unlocked by closing; a failure here leaves an address that nobody answers at, as a crash does.
        let _ = self.file.set_len(0);
    }
}

fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn folder() -> (tempfile::TempDir, StateFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(&root.path().join("deep/state")).unwrap();
        (root, folder)
    }

    #[test]
    fn a_service_is_locked_once_and_free_again_afterwards() {
        let (_root, folder) = folder();
        let chord = folder.lock(Service::Chord).unwrap();
        let _catalog = folder.lock(Service::Catalog).unwrap();
        let error = folder.lock(Service::Chord).unwrap_err().to_string();
        assert!(error.contains("in use by another chord-peer (its service chord)"), "{error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        drop(chord);
        folder.lock(Service::Chord).unwrap();
    }

    #[test]
    fn running_services_are_announced_until_they_end() {
        let (_root, folder) = folder();
        let address: SocketAddr = "127.0.0.1:7300".parse().unwrap();
        let mut lock = folder.lock(Service::Chord).unwrap();
        assert_eq!(folder.running(), []);
        lock.announce(address).unwrap();
        assert_eq!(folder.running(), [Running { service: Service::Chord, address, host: host() }]);
        lock.announce("[::1]:1".parse().unwrap()).unwrap();
        assert_eq!(folder.running()[0].address.port(), 1);
        drop(lock);
        assert_eq!(folder.running(), []);
        // Another container with the same folder.
        let elsewhere = Running { service: Service::Gateway, address, host: "another host".into() };
        std::fs::write(folder.lock_path(Service::Gateway), serde_json::to_vec(&elsewhere).unwrap()).unwrap();
        assert_eq!(folder.running(), []);
    }

    #[test]
    fn incarnations_grow_even_when_the_clock_is_set_back() {
        let (_root, folder) = folder();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let first = folder.next_incarnation(at(1000)).unwrap();
        assert_eq!(first >> RANDOM_BITS, 1_000_000);
        assert_eq!(folder.next_incarnation(at(10)).unwrap(), first + 1);
        assert_eq!(folder.next_incarnation(UNIX_EPOCH - Duration::from_secs(5)).unwrap(), first + 2);
        assert_eq!(folder.next_incarnation(at(2000)).unwrap() >> RANDOM_BITS, 2_000_000);
        folder.note_incarnation(u64::MAX - 5).unwrap();
        assert_eq!(folder.next_incarnation(at(3000)).unwrap(), u64::MAX - 4);
    }

    #[test]
    fn two_that_start_in_one_millisecond_differ_mostly() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let numbers: std::collections::BTreeSet<u64> = (0..20)
            .map(|_| {
                let (_root, folder) = folder();
                folder.next_incarnation(now).unwrap()
            })
            .collect();
        assert!(numbers.len() > 10, "{numbers:?}");
    }

    #[test]
    fn an_unreadable_incarnation_falls_back_to_the_clock() {
        let (_root, folder) = folder();
        for garbage in ["", "abc", "-3", "99999999999999999999999", "18446744073709551615"] {
            std::fs::write(folder.path().join("incarnation"), garbage).unwrap();
            let next = folder.next_incarnation(UNIX_EPOCH + Duration::from_secs(7)).unwrap();
            assert_eq!(next >> RANDOM_BITS, 7000, "{garbage}");
        }
    }

    #[test]
    fn peers_are_remembered_within_bounds_and_garbage_is_skipped() {
        let (_root, folder) = folder();
        assert_eq!(folder.peers(), []);
        let many: Vec<HostPort> = (1..200).map(|port| HostPort { host: "10.0.0.1".into(), port }).collect();
        folder.remember(&many).unwrap();
        assert_eq!(folder.peers(), many[..MAX_PEERS]);
        std::fs::write(folder.path().join("peers"), b"\xff\xfe\nnonsense\n[::1]:7\nhost:0\n a:1 \n").unwrap();
        let shown: Vec<String> = folder.peers().iter().map(HostPort::to_string).collect();
        assert_eq!(shown, ["[::1]:7", "a:1"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        let error = StateFolder::open(&root.path().join("file/state")).unwrap_err().to_string();
        assert!(error.contains("file/state") && error.contains("cannot be created"), "{error}");
    }
}
