//! What of the directory can't be read at present: it stays in the listing for a while, since not to know is not
//! the same as nothing being there.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chordial_proto::catalog_v1::Skipped;

use crate::shared_dir::{Identity, SharedPath, Stamp};

use super::listing::Listing;
use super::scan::Scan;

/// Parts of the directory that can't be read, and since when.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// How long files stay listed that can't be read.
    keep: Duration,
    since: BTreeMap<String, Instant>,
    /// The directory that files were last found in.
    home: Option<Identity>,
}

impl Unread {
    /// Files that can't be read stay listed for as long as `keep`.
    pub fn new(keep: Duration) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Whether the directory seems to have been unmounted: what is at its path now is empty and of another file
    /// system than the one that had files.
    pub fn is_unmounted(&mut self, now: Identity, scan: &Scan) -> bool {
        let empty = scan.files.is_empty() && scan.unread.is_empty() && scan.skipped == Skipped::default();
        if !scan.files.is_empty() {
            self.home = Some(now);
        }
        empty && self.home.is_some_and(|home| !home.same_device(&now))
    }

    /// Adds to the files that were found those that are listed at and below the paths that could not be read
    /// now; "" is all. Not if the same path could not be read so long ago, and ever since.
    pub fn keep(
        &mut self,
        unread: Vec<String>,
        found: &mut BTreeMap<SharedPath, Stamp>,
        listing: &Listing,
        now: Instant,
    ) {
        let before = std::mem::take(&mut self.since);
        for path in unread {
            let since = before.get(&path).copied().unwrap_or(now);
            if now.duration_since(since) < self.keep {
                let known = listing.below(&path).into_iter();
                let known = known.filter_map(|(path, stamp)| Some((SharedPath::parse(&path).ok()?, stamp)));
                for (path, stamp) in known {
                    found.entry(path).or_insert(stamp);
                }
            }
            self.since.insert(path, since);
        }
    }

    /// How long until something that can't be read is no longer kept; none: nothing is.
    pub fn due(&self, now: Instant) -> Option<Duration> {
        let left = self.since.values().map(|since| (*since + self.keep).saturating_duration_since(now));
        left.filter(|left| !left.is_zero()).min()
    }

    /// Whether `path` or something above it could not be read by the latest look.
    pub fn covers(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        !self.since.is_empty() && above.chain(["", path]).any(|path| self.since.contains_key(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared_dir::SharedDir;
    use std::collections::HashMap;

    const KEEP: Duration = Duration::from_secs(600);
    const STAMP: Stamp = Stamp { size: 1, modified: 0, changed: 0, inode: None };

    fn found(paths: &[&str]) -> BTreeMap<SharedPath, Stamp> {
        paths.iter().map(|path| (SharedPath::parse(path).unwrap(), STAMP)).collect()
    }

    #[test]
    fn it_is_known_when_the_first_part_is_no_longer_kept() {
        let (mut unread, start) = (Unread::new(KEEP), Instant::now());
        let mut keep = |paths: &[&str], at: u64| {
            let (paths, now) = (paths.iter().map(|path| path.to_string()), start + Duration::from_secs(at));
            unread.keep(paths.collect(), &mut BTreeMap::new(), &Listing::new(), now);
            unread.due(now)
        };
        assert_eq!(keep(&[], 0), None);
        assert_eq!(keep(&["a"], 10), Some(KEEP));
        assert_eq!(keep(&["a", "b"], 110), Some(KEEP - Duration::from_secs(100)));
        assert_eq!(keep(&["a", "b"], 610), Some(Duration::from_secs(100)));
        assert_eq!(keep(&["a"], 700), None);
    }

    #[test]
    fn what_cannot_be_read_stays_for_a_while() {
        let listing = Listing::new();
        listing.apply(found(&["a", "d/b", "d/c/e", "dd"]), &HashMap::new());
        let mut unread = Unread::new(KEEP);
        let start = Instant::now();
        let mut kept = |unreadable: &[&str], at: Duration| {
            let mut files = found(&["a"]);
            let unreadable = unreadable.iter().map(|path| path.to_string()).collect();
            unread.keep(unreadable, &mut files, &listing, start + at);
            files.into_keys().map(|path| path.to_string()).collect::<Vec<_>>()
        };
        let second = Duration::from_secs(1);
        assert_eq!(kept(&["d"], Duration::ZERO), ["a", "d/b", "d/c/e"]);
        assert_eq!(kept(&["d", "dd"], KEEP - second), ["a", "d/b", "d/c/e", "dd"]);
        assert_eq!(kept(&["d", "dd"], KEEP), ["a", "dd"]);
        // Read once in between, it counts from then on.
        assert_eq!(kept(&[], KEEP + second), ["a"]);
        assert_eq!(kept(&["", "d"], KEEP + second), ["a", "d/b", "d/c/e", "dd"]);
        assert_eq!(kept(&[""], KEEP * 2 + second), ["a"]);
        assert!(unread.covers("a"));
    }

    #[test]
    fn a_folder_covers_what_is_below_it() {
        let mut unread = Unread::default();
        let mut found = BTreeMap::new();
        assert!(!unread.covers("a"));
        unread.keep(vec!["a/b".to_owned()], &mut found, &Listing::new(), Instant::now());
        for (path, covered) in [("a/b", true), ("a/b/c/d", true), ("a", false), ("a/bc", false), ("b", false)]
        {
            assert_eq!(unread.covers(path), covered, "{path}");
        }
    }

    #[test]
    fn an_empty_directory_of_another_file_system_is_an_unmounted_one() {
        let (here, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let identity = |path| SharedDir::open_or_create(path).unwrap().current().unwrap().0;
        let (home, sibling) = (identity(here.path()), identity(other.path()));
        // Not a regular directory to share, but always of a file system of its own.
        #[cfg(target_os = "linux")]
        let elsewhere = identity(std::path::Path::new("/proc"));
        #[cfg(not(target_os = "linux"))]
        let elsewhere = identity(std::path::Path::new("/dev"));
        let full = Scan { files: found(&["a"]), ..Scan::default() };
        let empty = Scan::default();
        let mut unread = Unread::default();
        assert!(!unread.is_unmounted(elsewhere, &empty), "nothing was ever found");
        assert!(!unread.is_unmounted(home, &full));
        assert!(!unread.is_unmounted(home, &empty), "all files were deleted");
        assert!(!unread.is_unmounted(sibling, &empty), "made again");
        assert!(unread.is_unmounted(elsewhere, &empty));
        let hidden = Skipped { hidden: 1, ..Skipped::default() };
        assert!(!unread.is_unmounted(elsewhere, &Scan { skipped: hidden, ..Scan::default() }));
        assert!(!unread.is_unmounted(elsewhere, &full));
        assert!(unread.is_unmounted(home, &empty));
    }
}
