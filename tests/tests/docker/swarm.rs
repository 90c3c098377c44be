//! Stacks on a swarm of several hosts: one ring, faults, updates.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chordial_tests::sources;

use crate::image::open;
use crate::lab::{Lab, eventually, whole};

const GATEWAY: u16 = 8000;

/// Three hosts, each with a file of its own, one of all, and its URL; the peers of stack.yml on them are one ring.
fn ready() -> Lab {
    let lab = Lab::up(3);
    // What a machine has of its own; the hosts have one file system.
    for host in lab.hosts() {
        let share = home(&lab, host).join("share");
        std::fs::create_dir_all(&share).unwrap();
        std::fs::write(share.join(format!("of-host{host}.txt")), format!("of host {host}")).unwrap();
        std::fs::write(share.join("of-all.txt"), "of all").unwrap();
        says_url(&lab, host, &format!("http://10.77.0.{host}:{GATEWAY}"));
    }
    open(lab.folder());
    deploy(&lab, "stack.yml");
    is_whole("stack.yml: one ring", &lab, &[1, 2, 3], 90);
    lab
}

#[test]
fn a_swarm_of_three_hosts_is_one_ring_whatever_happens_to_them() {
    let lab = ready();
    all_files_are_found(&lab, &[1, 2, 3]);
    another_url_of_a_machine_is_told_everywhere(&lab);

    lab.cut(3);
    is_whole("host 3 is cut off: one ring without it", &lab, &[1, 2], 60);
    all_files_are_found(&lab, &[1, 2]);
    lab.join(3);
    is_whole("host 3 is back", &lab, &[1, 2, 3], 90);
    all_files_are_found(&lab, &[1, 2, 3]);

    lab.kill(2);
    is_whole("host 2 is killed: one ring without it", &lab, &[1, 3], 60);
    all_files_are_found(&lab, &[1, 3]);
    lab.start(2);
    is_whole("host 2 is back", &lab, &[1, 2, 3], 90);
    all_files_are_found(&lab, &[1, 2, 3]);

    no_query_fails_while_the_image_is_updated(&lab);
    remove(&lab);

    deploy(&lab, "stack-replicas.yml");
    // Five peers, and a gateway on every host.
    eventually("stack-replicas.yml: one ring", 120, || {
        lab.hosts().all(|host| whole(&lab, host, GATEWAY, 8)).then_some(())
    });
    remove(&lab);

    lab.docker(1, &["node", "update", "--label-add", "chordial=apart", "host2"]);
    deploy(&lab, "stack-microservices.yml");
    is_whole("stack-microservices.yml: one ring", &lab, &[1, 2, 3], 120);
    let services = lab.docker(2, &["ps", "--format", "{{.Names}}", "--filter", "name=p1-"]);
    assert_eq!(services.lines().count(), 4, "the peer of host 2 is these containers: {services}");
    all_files_are_found(&lab, &[1, 2, 3]);
    assert_eq!(
        lab.get(3, GATEWAY, "/api/v1/files/of-host2.txt/content"),
        Some((200, "of host 2".to_owned()))
    );
}

fn home(lab: &Lab, host: usize) -> std::path::PathBuf {
    lab.folder().join(format!("host{host}"))
}

fn says_url(lab: &Lab, host: usize, url: &str) {
    std::fs::write(home(lab, host).join("public_url"), format!("{url}\n")).unwrap();
}

fn deploy(lab: &Lab, stack: &str) {
    let mut command = lab.with_docker(1, "docker");
    command.args(["stack", "deploy", "--resolve-image", "never", "--compose-file"]);
    command.arg(sources().join("deploy").join(stack)).arg("chordial");
    command.env("CHORDIAL_HOME", lab.folder().join("{{.Node.Hostname}}"));
    let output = command.output().expect("docker runs");
    assert!(output.status.success(), "{stack}: {}", String::from_utf8_lossy(&output.stderr));
}

fn remove(lab: &Lab) {
    lab.docker(1, &["stack", "rm", "chordial"]);
    // Tasks have volumes and networks until they are gone.
    eventually("the stack is gone", 60, || {
        let containers = lab.hosts().all(|host| lab.docker(host, &["ps", "--quiet"]).is_empty());
        let networks = lab.docker(1, &["network", "ls", "--quiet", "--filter", "name=chordial_ring"]);
        (containers && networks.is_empty()).then_some(())
    });
}

/// Waits until these hosts' gateways agree on a ring of their peers, one each.
fn is_whole(what: &str, lab: &Lab, hosts: &[usize], seconds: u64) {
    eventually(what, seconds, || {
        hosts.iter().all(|&host| whole(lab, host, GATEWAY, hosts.len())).then_some(())
    });
}

/// Each of these hosts' gateways finds the file of each, and its bytes are there at the URL that it tells. A peer that was
/// killed and is another one now is listed as dead for a lease, a minute.
fn all_files_are_found(lab: &Lab, hosts: &[usize]) {
    for &asked in hosts {
        for &holder in hosts {
            let path = format!("/api/v1/files/of-host{holder}.txt");
            let url = eventually(&format!("a file of host {holder} is found by host {asked}"), 100, || {
                let found = lab.json(asked, GATEWAY, &path).filter(|found| found["total"] == 1)?;
                Some(found["sources"][0]["url"].as_str()?.to_owned())
            });
            assert_eq!(url, format!("http://10.77.0.{holder}:{GATEWAY}/files/of-host{holder}.txt"));
            assert_eq!(lab.fetch(asked, &url), Some((200, format!("of host {holder}"))), "{url}");
        }
    }
}

/// Every morning machines have other addresses.
fn another_url_of_a_machine_is_told_everywhere(lab: &Lab) {
    for (url, wanted) in [
        ("http://203.0.113.7:8000", "http://203.0.113.7:8000/files/of-host2.txt"),
        ("http://10.77.0.2:8000", "http://10.77.0.2:8000/files/of-host2.txt"),
    ] {
        says_url(lab, 2, url);
        eventually(&format!("{url} of host 2 is told by host 3"), 90, || {
            let found = lab.json(3, GATEWAY, "/api/v1/files/of-host2.txt")?;
            (found["sources"][0]["url"] == wanted).then_some(())
        });
    }
}

/// What was asked meanwhile, and how often.
#[derive(Debug, Default)]
struct Load {
    queries: u32,
    /// Asked of the next gateway, since one answered nothing, or 503: not a member of the ring yet, or any more.
    again: u32,
    failed: Vec<String>,
    seen: BTreeMap<u16, u32>,
}

/// A query has failed where none of the three gateways, asked one after the other as a client with several entry points
/// does, names a holder of a file that all peers share. Answers are never to be wrong, so 404 is a failure at once.
fn no_query_fails_while_the_image_is_updated(lab: &Lab) {
    for host in lab.hosts() {
        let dockerfile = lab.folder().join("Dockerfile");
        std::fs::write(&dockerfile, "FROM chordial\nLABEL update=2\n").unwrap();
        let folder = lab.folder().join("empty");
        std::fs::create_dir_all(&folder).unwrap();
        let (file, folder) = (dockerfile.display().to_string(), folder.display().to_string());
        lab.docker(host, &["build", "--quiet", "--tag", "chordial:2", "--file", &file, &folder]);
    }
    let ended = AtomicBool::new(false);
    let (load, took) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut load, began) = (Load::default(), Instant::now());
            while !ended.load(Ordering::Relaxed) {
                load.query(lab);
                let next = Duration::from_millis(250) * load.queries;
                std::thread::sleep(next.saturating_sub(began.elapsed()));
            }
            load
        });
        let began = Instant::now();
        let update =
            ["service", "update", "--detach", "--no-resolve-image", "--image", "chordial:2", "chordial_peer"];
        let outcome = lab.try_docker(1, &update).map(|_| {
            let inspect = ["service", "inspect", "--format", "{{.UpdateStatus.State}}", "chordial_peer"];
            let deadline = began + Duration::from_secs(240);
            loop {
                let state = lab.try_docker(1, &inspect).unwrap_or_default();
                if (state != "updating" && !state.is_empty()) || Instant::now() > deadline {
                    break state;
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        let took = began.elapsed();
        ended.store(true, Ordering::Relaxed);
        assert_eq!(outcome.as_deref(), Ok("completed"), "the update");
        (load.join().expect("the load"), took)
    });
    println!(
        "rolling update: {:.0} s, {} queries, {} asked again elsewhere, answers {:?}, {} failed",
        took.as_secs_f64(),
        load.queries,
        load.again,
        load.seen,
        load.failed.len()
    );
    assert!(load.failed.is_empty(), "queries failed: {:#?}", load.failed);
    assert!(load.queries > 60, "{load:?} is no steady load");
    for host in lab.hosts() {
        let images = lab.docker(host, &["ps", "--format", "{{.Image}}"]);
        assert_eq!(images, "chordial:2", "on host {host}");
    }
    is_whole("updated: one ring", lab, &[1, 2, 3], 60);
    all_files_are_found(lab, &[1, 2, 3]);
}

impl Load {
    fn query(&mut self, lab: &Lab) {
        let hosts: Vec<usize> = lab.hosts().collect();
        let first = self.queries as usize % hosts.len();
        self.queries += 1;
        let mut said = Vec::new();
        for &host in hosts.iter().cycle().skip(first).take(hosts.len()) {
            let answer = lab.get(host, GATEWAY, "/api/v1/files/of-all.txt");
            *self.seen.entry(answer.as_ref().map_or(0, |answer| answer.0)).or_default() += 1;
            match answer {
                Some((200, _)) => return,
                None => said.push(format!("host {host} answers nothing")),
                Some((503, _)) => said.push(format!("host {host} answers 503")),
                Some((status, body)) => {
                    self.failed.push(format!("host {host} answers {status}: {body}"));
                    return;
                }
            }
            self.again += 1;
        }
        self.failed.push(said.join(", "));
    }
}

#[test]
fn all_hosts_killed_and_started_at_once_are_one_ring_within_a_minute() {
    let lab = ready();
    std::thread::scope(|scope| {
        for host in lab.hosts() {
            scope.spawn({
                let lab = &lab;
                move || lab.kill(host)
            });
        }
    });
    let began = Instant::now();
    std::thread::scope(|scope| {
        for host in lab.hosts() {
            scope.spawn({
                let lab = &lab;
                move || {
                    lab.await_manager(host);
                    lab.start(host);
                }
            });
        }
    });
    println!("all daemons answer: after {:.1} s", began.elapsed().as_secs_f64());
    is_whole("all hosts are killed and started: one ring", &lab, &[1, 2, 3], 120);
    let took = began.elapsed();
    println!("all hosts are killed and started: {:.1} s in all", took.as_secs_f64());
    assert!(took < Duration::from_secs(60), "one ring only after {took:?}");
    all_files_are_found(&lab, &[1, 2, 3]);
}
