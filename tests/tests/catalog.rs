//! What a peer's process may not read: a file, a folder, the whole shared directory.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use chordial_tests::programs::{PATIENCE, Process, Program, TestPeer, ensure, eventually, get, program};

/// Nobody in particular: root may read everything, so where the test runs as root the peer runs as this user.
const STRANGER: u32 = 65_534;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}

#[test]
fn what_may_not_be_read_is_not_taken_for_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    set_mode(folder.path(), 0o755);
    let peer = TestPeer::new(folder.path(), "p1", &[("catalog.rescan", "1s"), ("catalog.keep", "10m")]);
    let (share, state) = (peer.directory(), peer.state());
    let closed = share.join("closed");
    for path in [&state, &closed] {
        std::fs::create_dir_all(path).expect("a folder");
    }
    for name in ["open.txt", "closed/inside.txt", "secret.txt"] {
        std::fs::write(share.join(name), name).expect("a file");
    }
    set_mode(&share.join("secret.txt"), 0);
    let chord_peer = folder.path().join("chord-peer");
    std::fs::copy(program(Program::ChordPeer), &chord_peer).expect("a copy that any user may run");
    let log = folder.path().join("log");
    let output = std::fs::File::create(&log).expect("a log file");
    let mut command = Command::new(&chord_peer);
    command.env_clear().arg("run").arg("--config").arg(peer.write_config()).current_dir(folder.path());
    command.stdout(output.try_clone().expect("a file")).stderr(output);
    if std::fs::metadata(folder.path()).expect("metadata").uid() == 0 {
        for path in [&state, &share, &closed, &closed.join("inside.txt"), &share.join("open.txt")] {
            chown(path, Some(STRANGER), Some(STRANGER)).expect("root gives files away");
        }
        command.uid(STRANGER).gid(STRANGER);
    }
    let process = Process::spawn(command, "p1", log);

    let listed = |names: &[&str]| {
        let answer = get(&peer.gateway(), "/api/v1/catalog")?;
        ensure(answer.status == 200, || format!("{answer:?}"))?;
        let files = answer.json()["files"].as_array().cloned().unwrap_or_default();
        ensure(files.iter().map(|file| &file["name"]).eq(names), || format!("{files:?}"))
    };
    let said = |what: &str| ensure(process.log().contains(what), || format!("the log has no {what:?}"));
    let both = ["inside.txt", "open.txt"];
    eventually(PATIENCE, "all is listed but the file that may not be read", || listed(&both));
    eventually(PATIENCE, "it is counted", || said("unreadable=1"));

    set_mode(&closed, 0);
    eventually(PATIENCE, "the folder that may not be read is noticed", || said("unreadable=2"));
    listed(&both).expect("the file in it is still listed");

    set_mode(&share, 0);
    eventually(PATIENCE, "the directory that may not be read is noticed", || {
        said("can't be read: Permission denied")
    });
    listed(&both).expect("its files are still listed");

    set_mode(&share, 0o755);
    set_mode(&closed, 0o755);
    eventually(PATIENCE, "the directory can be read again", || said("can be read again"));
    std::fs::remove_file(closed.join("inside.txt")).expect("it is removed");
    eventually(PATIENCE, "what is seen to be gone is gone", || listed(&["open.txt"]));
}
