//! What the system lets this process have: open files, watches, disk, memory. Linux tells it below /proc and /sys;
//! what a system does not tell stays unset.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chordial_proto::chord_v1::{Folder, Limits, Memory, OpenFiles, Watches};
use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;

use super::Facts;
use crate::config::Service;
use crate::metrics::{open_files, resident_memory};

/// How long disks may take to answer.
const DISKS: Duration = Duration::from_secs(2);
/// Written and removed to see whether the state folder can be.
const PROBE: &str = ".doctor";
/// From so many bytes on, a limit of the older control groups means that there is none.
const UNLIMITED: u64 = 1 << 60;

/// How it is now.
pub(super) async fn now(facts: &Facts, disks: Arc<Semaphore>) -> Limits {
    let files = getrlimit(Resource::Nofile);
    let here = facts.services.iter().filter(|service| service.listens.is_some());
    Limits {
        open_files: Some(OpenFiles {
            soft: files.current.unwrap_or_default(),
            hard: files.maximum.unwrap_or_default(),
            open: open_files().unwrap_or_default(),
            needed: facts.needed_files,
        }),
        watches: facts.is_here(Service::Catalog).then(|| watches(facts.rescan)).flatten(),
        folders: folders(facts, disks).await,
        memory: memory(Path::new("/sys/fs/cgroup")),
        system: std::env::consts::OS.to_owned(),
        services: here.map(|service| service.service.to_string()).collect(),
    }
}

/// Looks at both folders in a thread of its own, as a disk may not answer at all.
async fn folders(facts: &Facts, disks: Arc<Semaphore>) -> Vec<Folder> {
    let whole = |folder: &PathBuf| std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    let wanted = [("directory", whole(&facts.directory)), ("state", whole(&facts.state))];
    let blank = |(key, path): &(&str, PathBuf)| Folder {
        key: (*key).to_owned(),
        path: path.display().to_string(),
        ..Folder::default()
    };
    let silent =
        || wanted.iter().map(|folder| Folder { problem: "its disk does not answer".into(), ..blank(folder) });
    let Ok(turn) = disks.try_acquire_owned() else { return silent().collect() };
    let (uploads, looked) = (facts.uploads, wanted.clone());
    let look = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let looked = looked.iter().map(|folder| {
            let (free, total) = space(&folder.1);
            let problem = match folder.0 {
                "state" => not_writable(&folder.1),
                _ => not_readable(&folder.1, uploads),
            };
            Folder { problem: problem.unwrap_or_default(), free, total, ..blank(folder) }
        });
        looked.collect()
    });
    match tokio::time::timeout(DISKS, look).await {
        Ok(Ok(folders)) => folders,
        _ => silent().collect(),
    }
}

/// Free and all bytes of the disk that a folder lies on, as far as this user may have them; 0 where it is not known.
fn space(folder: &Path) -> (u64, u64) {
    statvfs(folder).map_or((0, 0), |disk| {
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        (bytes(disk.f_bavail), bytes(disk.f_blocks))
    })
}

fn not_writable(folder: &Path) -> Option<String> {
    let probe = folder.join(PROBE);
    let written = fs::write(&probe, b"written and removed by chord-cli doctor\n");
    let error = written.and_then(|()| fs::remove_file(&probe)).err()?;
    Some(format!("it cannot be written: {error}"))
}

fn not_readable(folder: &Path, uploads: bool) -> Option<String> {
    if let Err(error) = fs::read_dir(folder) {
        return Some(format!("it cannot be read: {error}"));
    }
    let error = access(folder, Access::WRITE_OK).err().filter(|_| uploads)?;
    Some(format!("uploads are allowed, and it cannot be written: {error}"))
}

/// What this process watches, and what Linux allows.
fn watches(rescan: Duration) -> Option<Watches> {
    let most = |name: &str| number(&Path::new("/proc/sys/fs/inotify").join(name));
    let (max_instances, max_watches) = (most("max_user_instances")?, most("max_user_watches")?);
    let open = fs::read_dir("/proc/self/fd").ok()?.flatten();
    let inotify = open.filter(|file| {
        fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().ends_with("inotify"))
    });
    let (mut instances, mut watches) = (0, 0);
    for file in inotify {
        let about = fs::read_to_string(Path::new("/proc/self/fdinfo").join(file.file_name()));
        instances += 1;
        watches += about.map_or(0, |text| text.lines().filter(|line| line.starts_with("inotify ")).count());
    }
    let watches = watches as u64;
    Some(Watches { instances, watches, max_instances, max_watches, rescan_seconds: rescan.as_secs() })
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The lowest limit of this process's control group and those above it, whose files lie below `root`.
fn memory(root: &Path) -> Option<Memory> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let (limit, used) = limit(&groups, root).unwrap_or_default();
    Some(Memory { limit, used, resident: resident_memory().unwrap_or_default() })
}

/// That limit, and what the group that has it uses; none: there is no limit.
fn limit(groups: &str, root: &Path) -> Option<(u64, u64)> {
    let group = |controller: &str| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == controller).then_some(path)
        })
    };
    let (root, path, most, used) = match (group("memory"), group("")) {
        (Some(path), _) => (root.join("memory"), path, "memory.limit_in_bytes", "memory.usage_in_bytes"),
        (None, Some(path)) => (root.to_owned(), path, "memory.max", "memory.current"),
        (None, None) => return None,
    };
    let own = root.join(path.trim_start_matches('/'));
    let above = own.ancestors().take_while(|folder| folder.starts_with(&root));
    let limits = above.filter_map(|folder| {
        let limit = number(&folder.join(most)).filter(|limit| *limit < UNLIMITED)?;
        Some((limit, number(&folder.join(used)).unwrap_or_default()))
    });
    limits.min_by_key(|(limit, _)| *limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_all_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("a/b");
        fs::create_dir_all(&group).unwrap();
        let write = |path: &str, text: &str| fs::write(root.path().join(path), text).unwrap();
        write("a/memory.max", "1000\n");
        write("a/memory.current", "900\n");
        write("a/b/memory.max", "max\n");
        assert_eq!(limit("0::/a/b\n", root.path()), Some((1000, 900)));
        write("a/b/memory.max", "500\n");
        assert_eq!(limit("0::/a/b\n", root.path()), Some((500, 0)));
        assert_eq!(limit("0::/elsewhere\n", root.path()), None);
        assert_eq!(limit("1:cpu:/a\n", root.path()), None);

        fs::create_dir_all(root.path().join("memory/c")).unwrap();
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit("7:cpu,memory:/c\n", root.path()), None, "that is none");
        write("memory/c/memory.limit_in_bytes", "700\n");
        assert_eq!(limit("7:cpu,memory:/c\n", root.path()), Some((700, 0)));
    }

    #[test]
    fn folders_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (there, gone) = (folder.path(), folder.path().join("gone"));
        assert_eq!((not_writable(there), not_readable(there, true)), (None, None));
        assert!(!there.join(PROBE).exists());
        assert!(not_writable(&gone).is_some_and(|why| why.contains("cannot be written")));
        assert!(not_readable(&gone, false).is_some_and(|why| why.contains("cannot be read")));
        let (free, total) = space(there);
        assert!(free <= total && total > 0, "{free} of {total}");
        assert_eq!(space(&gone), (0, 0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_what_is_watched() {
        use notify::Watcher as _;
        let folder = tempfile::tempdir().unwrap();
        let before = watches(Duration::ZERO).unwrap();
        let mut watcher = notify::recommended_watcher(|_| {}).unwrap();
        watcher.watch(folder.path(), notify::RecursiveMode::NonRecursive).unwrap();
        let now = watches(Duration::from_secs(60)).unwrap();
        assert!(now.instances > 0 && now.watches > 0 && now.max_watches > 0, "{before:?} {now:?}");
        assert_eq!(now.rescan_seconds, 60);
    }
}
