//! Every scenario of configs/scenarios, by some seeds; a mix of all faults by many.

use std::path::{Path, PathBuf};

use chordial_simulator::scenario::{Report, Scenario, ScenarioError, play};

/// Scenarios that are tried by hand, not here: why.
const NOT_YET: [(&str, &str); 2] = [
    (
        "awkward-pair",
        "copies of what one of a pair that stays cut has under its own keys don't reach the other",
    ),
    ("awkward-one-way", "the same, one way"),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/scenarios")
}

fn load(name: &str) -> Scenario {
    let path = directory().join(name).with_extension("toml");
    Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// Plays a scenario; a failure prints how to see it again.
fn played(name: &str, scenario: &Scenario, seed: u64) -> Report {
    let command = format!(
        "cargo run --release -p chordial-simulator --bin simulate -- \
         configs/scenarios/{name}.toml --seed {seed} --trace trace.txt"
    );
    // A panic of the core comes without a report.
    let report = std::panic::catch_unwind(|| play(scenario, seed))
        .unwrap_or_else(|_| panic!("{name}, seed {seed} ended in a panic (above); replay: {command}"));
    assert!(report.is_good(), "{name}, seed {seed}:\n{report}replay: {command}");
    report
}

#[test]
fn every_scenario_comes_to_its_good_end() {
    let mut names: Vec<String> = std::fs::read_dir(directory())
        .expect("the scenarios are there")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into())
        .collect();
    names.sort();
    for name in names {
        let scenario = load(&name);
        if NOT_YET.iter().any(|(not_yet, _)| *not_yet == name) || name == "index-mix" {
            continue;
        }
        let seeds = if scenario.start.peers > 100 { 0..1 } else { 0..5 };
        for seed in seeds {
            let report = played(&name, &scenario, seed);
            let cost = report.cost;
            println!(
                "{name}, seed {seed}: exact after {:?}, {} messages, {} bytes (+ {} of framing)",
                report.exact_after, cost.messages, cost.bytes, cost.framing
            );
        }
    }
}

#[test]
fn after_any_mix_of_faults_ring_and_entries_become_ideal() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first = number("CHORDIAL_SEED").unwrap_or(0);
    let scenario = load("mix");
    let mut checked = 0;
    for seed in first..first + number("CHORDIAL_SEEDS").unwrap_or(200) {
        checked += played("mix", &scenario, seed).rings_checked;
    }
    println!("{checked} times all of Zave's invariants held");
}

#[test]
fn edits_under_any_mix_of_faults_are_told_of_as_they_are() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first = number("CHORDIAL_SEED").unwrap_or(0);
    let scenario = load("index-mix");
    let mut answers = 0;
    for seed in first..first + number("CHORDIAL_SEEDS").unwrap_or(200) {
        let verdicts = played("index-mix", &scenario, seed).verdicts;
        answers += verdicts.right + verdicts.outdated + verdicts.unvouched;
    }
    println!("{answers} answers said what was so");
}

#[test]
fn where_her_assumption_holds_her_invariants_are_checked_at_each_change() {
    let report = played("safety-crashes", &load("safety-crashes"), 1);
    assert!(report.rings_checked > 100, "{report}");
    assert!(report.verdicts.right > 1000, "{report}");
}

#[test]
fn what_is_expected_in_vain_is_a_failure() {
    let mut scenario = load("halves");
    scenario.expect.exact_within = Some(std::time::Duration::from_secs(1));
    let report = play(&scenario, 1);
    assert!(report.failures.iter().any(|failure| failure.starts_with("after 1s")), "{report}");
    let mut scenario = load("eight-at-once");
    scenario.expect.messages_per_peer = Some(1);
    let report = play(&scenario, 1);
    assert!(report.failures.iter().any(|failure| failure.contains("at most 1 for each")), "{report}");
}

#[test]
fn a_bad_scenario_is_refused_by_what_is_wrong_with_it() {
    let good = "what = \"a\"\nmode = \"liveness\"\nstart = { peers = 3, first = 1 }\n[expect]\nexact_within = \"9s\"\n";
    let refused = |text: String| {
        let path = std::env::temp_dir().join(format!("chordial-scenario-{}.toml", std::process::id()));
        std::fs::write(&path, text).expect("a temporary file");
        let told = Scenario::load(&path).map(|_| String::new()).unwrap_or_else(|error| error.to_string());
        std::fs::remove_file(&path).expect("it is there");
        told
    };
    assert_eq!(refused(good.into()), "");
    for (from, to, told) in [
        ("\"9s\"", "\"9 parsecs\"", "no time such as"),
        ("first = 1", "first = 4", "start.first = 4"),
        ("first = 1", "frist = 1", "unknown field `frist`"),
        ("liveness", "safety", "no expect.exact_within"),
        ("[expect]", "[[fault]]\nat = \"1s\"\ndo = \"melt\"\n[expect]", "unknown variant `melt`"),
        ("[expect]", "[[fault]]\nat = \"1s\"\ndo = \"cut\"\nparts = [1]\n[expect]", "at least two parts"),
        (
            "[expect]",
            "[[fault]]\nat = \"1s\"\ndo = \"cut\"\nparts = [1, 1]\nby = 3\n[expect]",
            "unknown field `by`",
        ),
        ("[expect]", "[[fault]]\nat = \"1s\"\ndo = \"pause\"\nshare = 1.5\n[expect]", "not between 0 and 1"),
    ] {
        let said = refused(good.replace(from, to));
        assert!(said.contains(told), "{to:?}: {said}");
    }
    let missing = Scenario::load(Path::new("no-such.toml"));
    assert!(matches!(missing, Err(ScenarioError::Read { .. })), "{missing:?}");
}
