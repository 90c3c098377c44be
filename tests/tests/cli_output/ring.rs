//! Three peers at known places of the ring, with known files of a known age.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use chord::Id;
use chordial_tests::programs::{Cluster, Output, Program, TestPeer, free_port, run_with};

/// Where the peers are: the first byte of p1's identifier, p2's, p3's lies in the 8 from here on. No finger and no
/// name used here changes hands within these.
const PLACES: [u8; 3] = [0x10, 0x70, 0xc0];

/// When all files were changed: 2026-01-02T03:04:05Z.
const MODIFIED: Duration = Duration::from_secs(1_767_323_045);

/// Whose file it is, its path, and its bytes.
pub const FILES: [(usize, &str, &str); 6] = [
    (0, "hello.txt", "Hello, ring!\n"),
    (1, "docs/annual report.pdf", "not really a PDF\n"),
    (2, "notes/annual_notes.md", "# Notes\n"),
    (0, "plan.txt", "one plan\n"),
    (1, "plan.txt", "another plan\n"),
    (2, "plan.txt", "one plan\n"),
];

pub struct Ring {
    pub cluster: Cluster,
}

impl Ring {
    pub fn new() -> Ring {
        let mut cluster = Cluster::new(3, &[("transfer.uploads", "true")]);
        let ports = PLACES.map(port_at);
        for (index, port) in ports.into_iter().enumerate() {
            let peer = &mut cluster.peers[index];
            peer.set("ports.chord", &port.to_string());
            if index > 0 {
                peer.set("friend", &format!("http://127.0.0.1:{}", ports[0]));
                peer.set("backup_friend", &format!("http://127.0.0.1:{}", ports[index - 1]));
            }
        }
        for (peer, path, content) in FILES {
            write(&cluster.peers[peer].directory().join(path), content);
        }
        cluster.start();
        super::settled(&cluster);
        Ring { cluster }
    }

    pub fn p1(&self) -> &TestPeer {
        &self.cluster.peers[0]
    }

    /// A folder for one part of the test.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.cluster.folder().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// chord-cli in this folder, which asks p1.
    pub fn cli(&self, folder: &Path, arguments: &[&str]) -> Output {
        let peer = self.p1().chord();
        run_with(Program::ChordCli, folder, arguments, &[("CHORD_PEER", &peer)])
    }

    /// What is printed, without what differs from run to run: all in as much room as before.
    pub fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for peer in &self.cluster.peers {
            let services = [
                ("chord", peer.chord()),
                ("catal", peer.catalog()),
                ("trans", peer.transfer()),
                ("gatew", peer.gateway()),
            ];
            let id = Id::of(peer.chord().trim_start_matches("http://").as_bytes());
            let digits: String = id.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            let name = peer.name();
            text = text
                .replace(&digits, &format!("{name:-<40}"))
                .replace(&digits[..10], &format!("{name:-<10}"));
            for (service, url) in services {
                let address = url.trim_start_matches("http://");
                text = text.replace(address, &format!("{name}.{service}:{}", "-".repeat(address.len() - 9)));
            }
        }
        text.lines().map(without_measurements).collect::<Vec<_>>().join("\n")
    }
}

/// A line without what was measured: times, shares of the ring, counters.
fn without_measurements(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let words = words.iter().enumerate().map(|(index, word)| {
        let before = index.checked_sub(1).and_then(|before| words.get(before)).copied().unwrap_or("");
        let after = words.get(index + 1).copied().unwrap_or("").trim_end_matches(',');
        let digits = word.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_empty();
        match after {
            "ms" | "%" if number(word) => "#.#".to_owned(),
            "entries" if digits && before.is_empty() => "#".to_owned(),
            _ if before == "incarnation" => "#".to_owned(),
            // A place of the ring that follows from a peer's.
            _ if word.len() == 10 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
                "#".repeat(10)
            }
            _ => (*word).to_owned(),
        }
    });
    // How wide a number is moves what stands before it.
    let mut line = words.collect::<Vec<_>>().join(" ");
    while let Some(at) = line.find("   #.#") {
        line.remove(at);
    }
    line
}

/// A free port with which a peer's identifier begins with one of the 8 bytes from `first` on.
fn port_at(first: u8) -> u16 {
    let is_there = |port: &u16| {
        let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
        Id::of(address.as_bytes()).to_bytes()[0].wrapping_sub(first) < 8
    };
    (0..4_000).map(|_| free_port()).find(is_there).expect("a port at this place of the ring")
}

/// A file of the known age.
pub fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, content).expect("a file");
    let file = File::options().write(true).open(path).expect("the file");
    file.set_modified(UNIX_EPOCH + MODIFIED).expect("its age");
}
