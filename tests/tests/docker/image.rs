//! The image, what it holds, and how it runs; what linters say of deploy/.

use std::process::Command;

use serde_json::Value;

use chordial_tests::sources;

use crate::lab::{Lab, eventually, made, text, whole};

/// Bytes, of all layers.
const SIZE: u64 = 40_000_000;
/// As narrow as a container gets.
const NARROW: [&str; 5] =
    ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--network=none"];

#[test]
fn the_image_is_small_and_runs_without_rights_and_five_peers_of_it_become_a_ring() {
    let lab = Lab::up(1);
    let inspected: Value =
        serde_json::from_str(&lab.docker(1, &["image", "inspect", "chordial"])).expect("JSON");
    let (size, config) = (inspected[0]["Size"].as_u64().expect("its size"), &inspected[0]["Config"]);
    println!("image: {:.1} MB", size as f64 / 1e6);
    assert!(size < SIZE, "the image has {size} bytes");
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["CMD", "chord-peer", "health"]));
    for label in ["title", "description", "licenses", "version", "revision"] {
        let said = config["Labels"][format!("org.opencontainers.image.{label}")].as_str().unwrap_or_default();
        assert!(!said.is_empty() && said != "unknown", "the label {label} says {said:?}");
    }

    let run = [&["run", "--rm"][..], &NARROW].concat();
    for (program, version) in [("chord-peer", "chord-peer 0"), ("chord-cli", "chord-cli 0")] {
        let said = lab.docker(1, &[&run[..], &["--entrypoint", program, "chordial", "--version"]].concat());
        assert!(said.starts_with(version), "{program} --version: {said}");
    }
    let shell = lab.try_docker(1, &[&run[..], &["--entrypoint", "sh", "chordial", "-c", "true"]].concat());
    assert!(shell.is_err(), "there is a shell in the image");

    let run = [&["run", "--detach", "--name", "peer"][..], &NARROW, &["chordial"]].concat();
    lab.docker(1, &run);
    eventually("a container without rights is healthy", 60, || {
        let health = lab.docker(1, &["inspect", "--format", "{{.State.Health.Status}}", "peer"]);
        (health == "healthy").then_some(())
    });
    lab.docker(1, &["exec", "peer", "chord-cli", "ring", "check"]);
    lab.docker(1, &["stop", "peer"]);
    let code = lab.docker(1, &["inspect", "--format", "{{.State.ExitCode}}", "peer"]);
    assert_eq!(code, "0", "docker stop, which waits for 10 s, is no graceful end");

    five_peers_by_compose(&lab);
}

fn five_peers_by_compose(lab: &Lab) {
    let deploy = lab.folder().join("deploy");
    std::fs::create_dir(&deploy).unwrap();
    std::fs::copy(sources().join("deploy/compose.yaml"), deploy.join("compose.yaml")).unwrap();
    for peer in 1..=5 {
        std::fs::create_dir_all(lab.folder().join(format!("share/p{peer}"))).unwrap();
        std::fs::write(lab.folder().join(format!("share/p{peer}/of-p{peer}.txt")), format!("of p{peer}"))
            .unwrap();
    }
    // The folder is made for nobody else's eyes; peers are another user.
    open(lab.folder());
    let compose = |arguments: &[&str]| {
        let mut command = lab.with_docker(1, "docker-compose");
        command.arg("--file").arg(deploy.join("compose.yaml")).args(arguments);
        text(&command.output().expect("docker-compose runs"))
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    };
    compose(&["up", "--detach", "--no-build"]);
    for port in 8001..=8005 {
        eventually(&format!("compose: one ring, says the gateway at {port}"), 90, || {
            whole(lab, 1, port, 5).then_some(())
        });
    }
    for (asked, holder) in [(8005, 1), (8001, 5), (8003, 1)] {
        let path = format!("/api/v1/files/of-p{holder}.txt");
        let found = eventually(&format!("a file of p{holder} by the gateway at {asked}"), 60, || {
            lab.json(1, asked, &path).filter(|found| found["total"] == 1)
        });
        let url = found["sources"][0]["url"].as_str().unwrap();
        assert_eq!(url, format!("http://localhost:800{holder}/files/of-p{holder}.txt"));
        let bytes = Some((200, format!("of p{holder}")));
        assert_eq!(lab.fetch(1, &url.replace("localhost", "127.0.0.1")), bytes, "from its holder");
        assert_eq!(lab.get(1, asked, &format!("{path}/content")), bytes, "through another");
    }
    compose(&["exec", "-T", "p3", "chord-cli", "get", "of-p1.txt", "-o", "/tmp/of-p1.txt"]);
    compose(&["down", "--volumes"]);
}

/// Everybody may look into this folder.
pub fn open(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn linters_find_nothing_in_deploy() {
    let hadolint = made().join("hadolint/bin/hadolint");
    assert!(hadolint.is_file(), "{} is missing: run .ci/docker-tools", hadolint.display());
    let output =
        Command::new(hadolint).arg(sources().join("deploy/Dockerfile")).output().expect("hadolint runs");
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && found.is_empty(), "hadolint: {found}");

    for file in ["compose.yaml", "stack.yml", "stack-replicas.yml", "stack-microservices.yml"] {
        let mut command = Command::new("docker-compose");
        command.arg("--file").arg(sources().join("deploy").join(file)).args(["config", "--quiet"]);
        let output = command.output().expect("docker-compose runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !said.contains("ERROR"),
            "docker-compose config of {file}: {said}"
        );
    }
}
