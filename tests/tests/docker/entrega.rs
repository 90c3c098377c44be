//! docs/entrega/: its commands run as they are written there, its links lead somewhere, its archive has all that was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chordial_tests::programs::{Process, Program, program};
use chordial_tests::sources;
use serde_json::Value;

/// All commands of the script together; they take some 20 s.
const SCRIPT: Duration = Duration::from_secs(150);
/// What .ci/run runs by itself, and the script may therefore say in a block `sh ci`.
const RUN_BY_CI: [&str; 3] =
    ["cargo build --release", "cargo run --release -- demo", "cargo test --workspace"];
/// The longest video that is taken, in seconds.
const VIDEO: u32 = 30 * 60;

fn read(path: impl AsRef<Path>) -> String {
    let path = sources().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a document: what stands behind the fence, and the lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(info) => {
                inside = !inside;
                if inside {
                    blocks.push((info, Vec::new()));
                }
            }
            None if inside => blocks.last_mut().expect("a block was begun").1.push(line),
            None => {}
        }
    }
    blocks
}

/// Runs `command` to its end.
#[track_caller]
fn finish(command: &mut Command, within: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let file = fs::File::create(&log).expect("a log");
    command.current_dir(sources()).stdout(file.try_clone().expect("a file")).stderr(file);
    let what = format!("{command:?}");
    let mut process = Process::spawn(std::mem::replace(command, Command::new("true")), &what, log.clone());
    let status = process.wait(within);
    assert!(status.success(), "{what}: {status}\n{}", process.log());
}

/// The commands of the script that are run, by the recording that they are in.
fn recordings(script: &str) -> Vec<(String, Vec<String>)> {
    let mut recordings: Vec<(String, Vec<String>)> = Vec::new();
    for (info, lines) in blocks(script) {
        let Some(name) = info.strip_prefix("sh ").filter(|name| !["ci", "aws"].contains(name)) else {
            continue;
        };
        let lines = lines.into_iter().map(str::to_owned);
        match recordings.iter_mut().find(|(known, _)| known.ends_with(&format!("-{name}"))) {
            Some((_, known)) => known.extend(lines),
            None => recordings.push((format!("{}-{name}", recordings.len() + 1), lines.collect())),
        }
    }
    recordings
}

/// What was typed, by a recording's text.
fn typed(text: &str) -> Vec<String> {
    let prompt = |line: &str| line.strip_prefix("$ ").or(line.strip_prefix("> ")).map(str::to_owned);
    text.lines().filter_map(prompt).collect()
}

/// A recording as its players read it.
fn check_recording(path: &Path) {
    let text = read(path);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert_eq!(lines[0]["version"], 2, "{}", path.display());
    assert!(lines[0]["width"].is_u64() && lines[0]["height"].is_u64(), "{}", lines[0]);
    let mut last = 0.0;
    for event in &lines[1..] {
        let (Some(time), Some("o"), Some(_)) = (event[0].as_f64(), event[1].as_str(), event[2].as_str())
        else {
            panic!("{}: {event}", path.display());
        };
        assert!(time >= last, "{}: {event} after {last}", path.display());
        last = time;
    }
    assert!(lines.len() > 2, "{}: nothing is shown", path.display());
}

#[test]
fn the_script_runs_as_it_is_written() {
    let into = tempfile::tempdir().expect("a folder");
    let programs = program(Program::ChordPeer);
    let mut command = Command::new("docs/entrega/grabar");
    command.args(["local", "--fast", "--into"]).arg(into.path());
    command.arg("--programs").arg(programs.parent().expect("a folder of programs"));
    finish(&mut command, SCRIPT);

    let script = read("docs/entrega/guion.md");
    let all: String = recordings(&script)
        .into_iter()
        .map(|(name, commands)| {
            check_recording(&into.path().join(format!("{name}.cast")));
            let text = read(into.path().join(format!("{name}.txt")));
            assert_eq!(typed(&text), commands, "{name}");
            text
        })
        .collect();
    // What the script says will be seen.
    for seen in [
        "5 peers, all views agree",
        "kept by",
        "copia.txt: 14 B from p3; verified",
        "\nhola desde p3\n",
        "chord_transfer_bytes_total{direction=\"download\"} 14",
        "chord_transfer_bytes_total{direction=\"download\"} 0",
        "echo: a download would send",
        "echo: an upload would store",
        "400 200\n",
        "p5 terminó con código 0",
    ] {
        assert!(all.contains(seen), "{seen:?} is nowhere in\n{all}");
    }
}

#[test]
fn the_recordings_that_are_kept_are_of_these_commands() {
    for (document, folder) in [("guion.md", "local"), ("ejecucion/swarm/README.md", "swarm")] {
        let folder = PathBuf::from("docs/entrega/ejecucion").join(folder);
        for (name, commands) in recordings(&read(Path::new("docs/entrega").join(document))) {
            check_recording(&folder.join(format!("{name}.cast")));
            let text = read(folder.join(format!("{name}.txt")));
            assert_eq!(
                typed(&text),
                commands,
                "{}: record it again with docs/entrega/grabar",
                folder.display()
            );
        }
    }
}

#[test]
fn what_the_script_leaves_to_others_exists() {
    let script = read("docs/entrega/guion.md");
    for (info, lines) in blocks(&script) {
        for line in lines {
            match info {
                "sh ci" => assert!(RUN_BY_CI.contains(&line), "nothing runs this line of guion.md: {line}"),
                "sh aws" => {
                    let program = sources().join(line.split(' ').next().expect("a program"));
                    let mode = fs::metadata(&program).map(|about| about.permissions().mode());
                    assert!(mode.is_ok_and(|mode| mode & 0o111 != 0), "guion.md: {line}: no such program");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_script_is_no_longer_than_the_video_may_be() {
    let script = read("docs/entrega/guion.md");
    let begins: Vec<u32> = script
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| {
            let (minutes, rest) = title.split_once(':').unwrap_or_else(|| panic!("no minute: {title}"));
            let seconds = rest.split(' ').next().and_then(|seconds| seconds.parse().ok());
            minutes.parse::<u32>().expect("minutes") * 60 + seconds.unwrap_or(0)
        })
        .collect();
    assert!(begins.is_sorted() && begins[0] == 0, "{begins:?}");
    assert!(begins.last().is_some_and(|last| last + 60 <= VIDEO), "{begins:?}");
}

#[test]
fn the_spanish_readme_has_the_commands_of_the_english_one() {
    let commands = |name: &str| -> Vec<String> {
        let text = read(name);
        let lines = blocks(&text).into_iter().filter(|(info, _)| *info == "sh").flat_map(|(_, lines)| lines);
        lines
            .map(|line| line.split(" #").next().unwrap_or(line).trim_end().to_owned())
            .filter(|line| !line.starts_with('#'))
            .collect()
    };
    assert_eq!(commands("README.es.md"), commands("README.md"));
}

/// Every relative link of the Markdown files in `folder` that leads nowhere.
fn broken(folder: &Path) -> Vec<String> {
    let mut broken = Vec::new();
    for file in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
        // The sources' own Markdown is there once more, as it is.
        if file.ends_with("Desarrollo/codigo") {
            continue;
        }
        if file.is_dir() {
            broken.extend(self::broken(&file));
        } else if file.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&file).expect("text");
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let path = link.split('#').next().unwrap_or_default();
                if !path.is_empty() && !path.contains(':') && !file.with_file_name("").join(path).exists() {
                    broken.push(format!("{}: {link}", file.display()));
                }
            }
        }
    }
    broken
}

#[test]
fn every_link_leads_somewhere() {
    assert_eq!(broken(&sources().join("docs/entrega")), Vec::<String>::new());
}

#[test]
fn the_archive_has_what_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (zip, all) = (folder.path().join("entrega.zip"), folder.path().join("all"));
    finish(Command::new("docs/entrega/empaquetar").arg(&zip), Duration::from_secs(60));
    // An unpacker that is not git's, which knows the names by what the archive says of their encoding.
    finish(
        Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&zip).arg(&all),
        Duration::from_secs(60),
    );
    let mut names: Vec<String> = fs::read_dir(&all)
        .expect("the unpacked archive")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name in UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["Desarrollo", "Diseño", "Ejecución", "README.md", "autoevaluacion.md", "guion.md"]);

    // As it is committed: what is not Markdown, whose links are changed, is the same byte for byte.
    let committed = Command::new("git")
        .args(["ls-tree", "-r", "-z", "--name-only", "HEAD"])
        .current_dir(sources())
        .output()
        .expect("git");
    let committed = String::from_utf8(committed.stdout).expect("names in UTF-8");
    let mut missing = Vec::new();
    for name in committed.split_terminator('\0') {
        let mut places = vec![all.join("Desarrollo/codigo").join(name)];
        for (from, to) in [("diseno", "Diseño"), ("desarrollo", "Desarrollo"), ("ejecucion", "Ejecución")] {
            let inside = name.strip_prefix("docs/entrega/").and_then(|name| name.strip_prefix(from));
            places.extend(inside.map(|inside| all.join(format!("{to}{inside}"))));
        }
        missing.extend(places.into_iter().filter(|place| !place.exists()));
    }
    assert_eq!(missing, Vec::<PathBuf>::new());
    for picture in ["01-anillo.png", "14-terminal-top.png"] {
        let bytes =
            |path: PathBuf| fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            bytes(all.join("Ejecución/local").join(picture))
                == bytes(all.join("Desarrollo/codigo/docs/entrega/ejecucion/local").join(picture)),
            "{picture}"
        );
    }
    assert_eq!(broken(&all), Vec::<String>::new());
}
