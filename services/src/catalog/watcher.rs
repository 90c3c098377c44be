//! Hears from the operating system that something below the directory changed. What changed is left to a
//! scan: events come late, double, or not at all.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::shared_dir::Identity;

/// Watches one directory, and all below it, for as long as it lives.
pub(super) struct Watcher {
    /// The directory that it was set on; its path may lead elsewhere by now.
    pub on: Identity,
    broken: Arc<AtomicBool>,
    _inner: RecommendedWatcher,
}

impl Watcher {
    /// Watches `path`, which leads to the directory `on`; `changed` is notified. Blocks on the file system.
    ///
    /// # Errors
    /// Where the system can't watch (so many) directories.
    pub fn new(path: &Path, on: Identity, changed: Arc<Notify>) -> notify::Result<Self> {
        let broken = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&broken);
        // As events name it.
        let directory = path.canonicalize()?;
        let root = directory.clone();
        let heard = move |event: notify::Result<Event>| match event {
            Ok(event) if event.need_rescan() || is_change(&event.kind) && is_seen(&event, &root) => {
                changed.notify_one();
            }
            Ok(_) => {}
            Err(_) => {
                told.store(true, Ordering::Relaxed);
                changed.notify_one();
            }
        };
        let mut inner = RecommendedWatcher::new(heard, Config::default().with_follow_symlinks(false))?;
        inner.watch(&directory, RecursiveMode::Recursive)?;
        Ok(Self { on, broken, _inner: inner })
    }

    /// Whether it has failed since and may miss changes, for example because a new folder went beyond the
    /// system's limit of watches.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Opening and reading is no change; the catalog's own hashing does it, too.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// Whether it may concern what is shared. What is hidden is not: least of all an upload that is being written. Only
/// the count of hidden files waits for the next scan.
fn is_seen(event: &Event, root: &Path) -> bool {
    let is_hidden = |path: &Path| {
        let below = path.strip_prefix(root).unwrap_or(Path::new(""));
        below.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
    };
    event.paths.is_empty() || event.paths.iter().any(|path| !is_hidden(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, RemoveKind};

    #[test]
    fn what_hides_below_the_directory_is_not_seen() {
        let root = Path::new("/home/.ann/share");
        let seen = |paths: &[&str]| {
            let event =
                paths.iter().fold(Event::new(EventKind::Any), |event, path| event.add_path(path.into()));
            is_seen(&event, root)
        };
        for paths in [
            &[][..],
            &["/home/.ann/share"],
            &["/home/.ann/share/a"],
            &["/home/.ann/share/d/.hidden", "/home/.ann/share/d/a"],
            &["/elsewhere/.a"],
        ] {
            assert!(seen(paths), "{paths:?}");
        }
        for path in ["/home/.ann/share/.chordial-upload-0123456789abcdef.part", "/home/.ann/share/.git/a"] {
            assert!(!seen(&[path]), "{path}");
        }
    }

    #[test]
    fn reading_is_no_change() {
        assert!(!is_change(&EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(!is_change(&EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(is_change(&EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(is_change(&EventKind::Create(CreateKind::File)));
        assert!(is_change(&EventKind::Remove(RemoveKind::Folder)));
        assert!(is_change(&EventKind::Other));
    }
}
