//! The commands of the documentation, run as they stand there; only the ports are others.

use chordial_tests::programs::Cluster;
use chordial_tests::sources;
use serde_json::Value;

use crate::setting::{File, addresses, wait_found};
use crate::tools::Tool;

/// A fenced block: what it is written in, and its lines.
struct Block {
    language: String,
    text: String,
}

/// The fenced blocks of a document, in order.
fn blocks(document: &str) -> Vec<Block> {
    let path = sources().join(document);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(language), false) => {
                blocks.push(Block { language: language.to_owned(), text: String::new() });
                inside = true;
            }
            (Some(_), true) => inside = false,
            (None, true) => {
                let block = blocks.last_mut().expect("one was begun");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!inside, "a block of {document} has no end");
    blocks
}

/// The five peers of the README, which take uploads here, with the files that the examples speak of.
fn documented() -> Cluster {
    let mut cluster = Cluster::new(5, &[("transfer.uploads", "true")]);
    let files = [
        File { holder: 2, path: "hello.txt", bytes: b"Hello from p3.\n".to_vec() },
        File { holder: 3, path: "docs/report.pdf", bytes: vec![b'r'; 48_213] },
    ];
    files.iter().for_each(|file| cluster.peers[file.holder].share(file.path, &file.bytes));
    cluster.start();
    wait_found(&cluster, &files);
    cluster
}

/// `text` with the addresses of the README's peers (configs/p1.toml … p5.toml) replaced by those of `cluster`.
fn at_home(text: &str, cluster: &Cluster) -> String {
    let mut text = text.to_owned();
    for (index, peer) in cluster.peers.iter().enumerate() {
        let addresses = addresses(peer);
        let first = 7300 + 10 * index;
        for (service, port) in
            [("chord", first), ("catalog", first + 1), ("transfer", first + 2), ("gateway", 8001 + index)]
        {
            let own = addresses[service].as_str().expect("an address").trim_start_matches("http://");
            // Not to be taken for another documented port once it stands there.
            text = text.replace(&format!("127.0.0.1:{port}"), &own.replace("127.0.0.1:", "127.0.0.1:\u{1}"));
        }
    }
    text.replace('\u{1}', "")
}

/// The members that a JSON example shows, elisions and all.
fn members(example: &str) -> Vec<&str> {
    let parts: Vec<&str> = example.split('"').collect();
    // Every other part is what stood within quotes; a colon behind it makes it a name.
    let quoted = (1..parts.len()).step_by(2);
    quoted
        .filter(|&at| parts.get(at + 1).is_some_and(|after| after.starts_with(':')))
        .map(|at| parts[at])
        .collect()
}

fn has_member(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(map) => map.contains_key(name) || map.values().any(|value| has_member(value, name)),
        Value::Array(items) => items.iter().any(|item| has_member(item, name)),
        _ => false,
    }
}

#[test]
fn the_commands_of_rest_md_answer_as_it_says() {
    let cluster = documented();
    // What the example of `PUT` uploads.
    std::fs::write(cluster.folder().join("report.pdf"), vec![b'r'; 48_213]).expect("a file");
    let blocks = blocks("docs/api.md");
    let commands: Vec<usize> = (0..blocks.len()).filter(|&index| blocks[index].language == "sh").collect();
    assert!(commands.len() >= 8, "docs/api.md has {} commands", commands.len());
    for index in commands {
        let command = &blocks[index].text;
        let answer = blocks.get(index + 1).unwrap_or_else(|| panic!("no answer is shown to {command}"));
        let output = Tool::Shell.run(cluster.folder(), &["-c", &at_home(command, &cluster)]).ok();
        match &*answer.language {
            "json" => {
                for member in members(&answer.text) {
                    assert!(has_member(&output.json(), member), "{command}has no {member:?}: {}", output.out);
                }
            }
            // The status and all header fields that are shown.
            "http" => {
                let head = answer.text.lines().take_while(|line| !line.is_empty() && *line != "…");
                for (number, line) in head.enumerate() {
                    let shown =
                        if number == 0 { line } else { line.split_inclusive(':').next().unwrap_or(line) };
                    assert!(output.out.contains(shown), "{command}has no {shown:?}: {}", output.out);
                }
            }
            other => panic!("{command}has an answer in {other:?}"),
        }
    }
}

#[test]
fn the_commands_of_clients_md_work() {
    let cluster = documented();
    let (mut commands, mut programs) = (0, 0);
    for block in blocks("docs/clients.md") {
        let text = at_home(&block.text, &cluster);
        match &*block.language {
            "sh" => {
                for line in text.lines().filter(|line| !line.starts_with('#')) {
                    let output = Tool::Shell.run(cluster.folder(), &["-c", line]);
                    assert_eq!(output.code, 0, "{line}: {output:?}");
                    commands += 1;
                }
            }
            "python" => {
                let output = Tool::Python.run(cluster.folder(), &["-c", &text]).ok();
                assert_eq!(output.out, "p4 has docs/report.pdf\n48213 bytes, verified\n");
                programs += 1;
            }
            other => panic!("docs/clients.md has a block in {other:?}, which nobody runs"),
        }
    }
    assert!(commands >= 13 && programs == 1, "{commands} commands, {programs} programs");
    let got = std::fs::read(cluster.folder().join("report.pdf")).expect("curl has stored it");
    assert!(got == vec![b'r'; 48_213]);
}
