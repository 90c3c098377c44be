//! Hosts in network namespaces of this machine, by the fault laboratory `netns-lab`.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use chordial_tests::laboratory;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A switch with hosts 1, 2, … at it; they go with it, and all processes in them.
#[derive(Debug)]
pub struct Lab {
    script: PathBuf,
    name: String,
    hosts: usize,
}

impl Lab {
    /// A laboratory of so many hosts, of its own name.
    ///
    /// # Panics
    /// Where it cannot be made: not root, no script, a tool that is missing.
    pub fn up(hosts: usize) -> Lab {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let script = laboratory("netns-lab");
        let name = format!("chordial-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let lab = Lab { script, name, hosts };
        lab.run(&["up", &hosts.to_string()]);
        lab
    }

    /// Where host `number`, from 1 on, is reached by the others.
    pub fn ip(&self, number: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, u8::try_from(number).expect("the lab has at most 250 hosts"))
    }

    /// No packet passes between these groups any more; hosts in none of them are not cut.
    pub fn partition(&self, groups: &[Vec<usize>]) {
        let groups: Vec<String> = groups.iter().map(|group| numbers(group)).collect();
        self.run(&["partition", &groups.join(" | ")]);
    }

    /// No packet of `from` reaches `to`; the other way all pass.
    pub fn one_way(&self, from: &[usize], to: &[usize]) {
        self.run(&["oneway", &format!("{} | {}", numbers(from), numbers(to))]);
    }

    /// Undoes all cuts.
    pub fn heal(&self) {
        self.run(&["heal"]);
    }

    /// Disturbs what a host sends, in words of tc-netem; `clear` ends it.
    pub fn disturb(&self, host: usize, words: &str) {
        self.run(&["netem", &host.to_string(), words]);
    }

    /// Does something inside a host: connections and child processes that it makes belong there.
    pub fn inside<T: Send>(&self, host: usize, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            // A namespace is entered by one thread; this one would not come back.
            let there = scope.spawn(|| {
                self.enter(host);
                work()
            });
            there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread, and all that it starts from now on, into a host for good.
    ///
    /// # Panics
    /// Where there is no such host.
    pub fn enter(&self, host: usize) {
        let path = format!("/run/netns/{}-p{host}", self.name);
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .unwrap_or_else(|error| panic!("{path} cannot be entered: {error}"));
    }

    /// The numbers of its hosts.
    pub fn hosts(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.hosts
    }

    fn run(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().expect("the laboratory runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "netns-lab {arguments:?}: {error}");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.script);
        command.args(arguments).env("LAB", &self.name);
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(error) = self.command(&["down"]).status() {
            eprintln!("the laboratory {} is left behind: {error}", self.name);
        }
    }
}

fn numbers(hosts: &[usize]) -> String {
    let hosts: Vec<String> = hosts.iter().map(usize::to_string).collect();
    hosts.join(" ")
}
