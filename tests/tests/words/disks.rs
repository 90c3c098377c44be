//! Disks that go away while they are shared, and one that is full.

use std::path::{Path, PathBuf};
use std::process::Command;

use chordial_tests::programs::{Cluster, PATIENCE, ensure, eventually};
use chordial_tests::scale::wait_published;

/// A file system in memory, unmounted when it goes.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path, size: &str) -> Disk {
        std::fs::create_dir_all(path).expect("a folder");
        let options = format!("size={size}");
        must("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &path.display().to_string()]);
        Disk(path.to_path_buf())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn must(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}; this suite needs root");
}

#[test]
fn what_is_unmounted_is_withdrawn_and_back_when_it_is_back() {
    let mut cluster = Cluster::new(2, &[("catalog.keep", "1s"), ("catalog.rescan", "1s")]);
    let at = cluster.peers[1].directory();
    // What is mounted is of another file system than what is below, or of the same one.
    let disk = Disk::mount(&cluster.folder().join("disk"), "1m");
    let folder = cluster.folder().join("folder");
    std::fs::create_dir(&folder).expect("a folder");
    for (from, name) in [(&disk.0, "on a disk.txt"), (&folder, "in a folder.txt")] {
        std::fs::write(from.join(name), "x").expect("a file");
    }
    let mount = |from: &Path| {
        must("mount", &["--bind", &from.display().to_string(), &at.display().to_string()]);
        Disk(at.clone())
    };
    let mounted = mount(&disk.0);
    cluster.start();
    let found = |name: &str, count: usize| {
        eventually(PATIENCE, &format!("{count} sources of {name:?}"), || {
            let sources = cluster.peers[0].sources(name)?;
            ensure(sources.len() == count, || format!("{sources:?}"))
        });
    };
    let said = |what: &str| cluster.peers[1].log("all").matches(what).count();
    found("on a disk.txt", 1);
    // The peer holds the directory open: what is pulled out does not ask.
    drop(mounted);
    found("on a disk.txt", 0);
    eventually(PATIENCE, "the log says so", || {
        ensure(said("this peer shares nothing:") == 1, || "no".into())
    });
    let mounted = mount(&disk.0);
    found("on a disk.txt", 1);
    assert_eq!((said("this peer shares nothing:"), said("can be read again")), (1, 1));

    drop(mounted);
    found("on a disk.txt", 0);
    let mounted = mount(&folder);
    found("in a folder.txt", 1);
    drop(mounted);
    found("in a folder.txt", 0);
    let _mounted = mount(&folder);
    found("in a folder.txt", 1);
}

#[test]
fn a_peer_whose_state_is_on_a_full_disk_goes_on_and_says_so() {
    const FILES: usize = 5_000;
    let mut cluster = Cluster::new(2, &[]);
    let disk = Disk::mount(&cluster.peers[1].state(), "6m");
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let holder = &cluster.peers[1];
    let mut ballast = std::fs::File::create(disk.0.join("ballast")).expect("a file");
    let full = std::io::copy(&mut std::io::repeat(1), &mut ballast).expect_err("the disk is full some time");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    drop(ballast);
    for number in 0..FILES {
        std::fs::write(holder.directory().join(format!("file {number}.txt")), "x").expect("a file");
    }
    let said = || holder.log("all").matches("the digest cache in the state folder can't be written").count();
    eventually(PATIENCE, "the log says so", || ensure(said() == 1, || "it does not".into()));
    wait_published(&cluster, PATIENCE);
    holder.share("one more.txt", b"x");
    eventually(PATIENCE, "it goes on", || {
        let sources = cluster.peers[0].sources("one more.txt")?;
        let hashed = sources.first().is_some_and(|source| source["digest"].is_string());
        ensure(hashed, || format!("{sources:?}"))
    });
    assert_eq!(holder.get("/readyz").status, 200);
    assert_eq!(said(), 1, "once is enough");

    // With room again it reads the files once more, and all is as before.
    cluster.peers[1].kill();
    std::fs::remove_file(disk.0.join("ballast")).expect("removed");
    cluster.peers[1].start();
    wait_published(&cluster, PATIENCE);
    cluster.wait_ring(PATIENCE);
}
