//! chord-cli on a terminal, over a live ring: tables fit it, `top` draws, obeys and gives it back.

use std::path::Path;
use std::process::Command;

use chordial_tests::programs::{Cluster, PATIENCE, Program, command, ensure, eventually, run};
use chordial_tests::pty::Terminal;
use rustix::process::Signal;

/// Names that are wide, long or want to act.
const NAMES: [&str; 4] = [
    "年度报告二〇二六年度报告二〇二六年度报告二〇二六年度报告二〇二六.pdf",
    "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀.txt",
    "a name that is much longer than any terminal that is eighty columns wide, and then goes on for a while.txt",
    "act\u{1b}[2J\u{202e}txt.exe",
];

fn ring(peers: usize) -> Cluster {
    let mut cluster = Cluster::new(peers, &[]);
    for name in NAMES {
        cluster.peers[0].share(name, b"figures");
    }
    cluster.start();
    cluster.wait_ring(PATIENCE);
    let asked = &cluster.peers[1];
    eventually(PATIENCE, "all files are found", || {
        NAMES.iter().try_for_each(|name| ensure(asked.sources(name)?.len() == 1, || format!("not {name:?}")))
    });
    cluster
}

fn cli(peer: &str, arguments: &[&str]) -> Command {
    let mut command = command(Program::ChordCli, Path::new("/"));
    command.args(["--peer", peer]).args(arguments);
    command
}

/// What the program shows on a terminal with so many columns, at its end.
fn shown(command: &Command, cols: u16) -> Terminal {
    let mut terminal = Terminal::spawn(command, 200, cols);
    let status = terminal.wait();
    assert!(status.success(), "{status}:\n{}", terminal.text());
    terminal
}

/// Whether some line went on in the next one.
fn wraps(terminal: &Terminal) -> bool {
    terminal.look(|screen| (0..screen.size().0).any(|row| screen.row_wrapped(row)))
}

#[test]
fn tables_fit_the_terminal() {
    let mut cluster = ring(3);
    let peer = cluster.peers[1].chord();
    for arguments in [&["ring"][..], &["ls", "--all"], &["ls", "--of", "p1"], &["search", "a"], &["fingers"]]
    {
        for cols in [60, 80, 200] {
            let terminal = shown(&cli(&peer, arguments), cols);
            assert!(!wraps(&terminal), "{arguments:?} at {cols}:\n{}", terminal.text());
            assert!(!terminal.text().contains("\u{202e}"), "{arguments:?}");
        }
    }
    let terminal = shown(&cli(&peer, &["ls", "--all"]), 80);
    assert!(terminal.text().contains('…') && terminal.text().contains("4 names"), "{}", terminal.text());
    let whole = run(Program::ChordCli, Path::new("/"), &["--peer", &peer, "ls", "--all"]).ok();
    assert!(
        NAMES[..3].iter().all(|name| whole.out.contains(name)),
        "off a terminal nothing is cut: {whole:?}"
    );
    let wide = shown(&cli(&peer, &["ls", "--all", "--wide"]), 80);
    assert!(wraps(&wide) && wide.text().contains("goes on for a while.txt"), "{}", wide.text());

    cluster.peers[2].kill();
    eventually(PATIENCE, "p3 is seen to be away", || {
        let red = |terminal: &Terminal| {
            String::from_utf8_lossy(&terminal.written()).contains("\u{1b}[31msuspected")
        };
        let terminal = shown(&cli(&peer, &["ring"]), 80);
        ensure(red(&terminal), || terminal.text())?;
        let plain = shown(cli(&peer, &["ring"]).env("NO_COLOR", "1"), 80);
        ensure(plain.text().contains("suspected") && !plain.written().contains(&0x1b), || plain.text())
    });
}

#[test]
fn top_draws_obeys_and_gives_the_terminal_back() {
    let mut cluster = ring(3);
    let peer = cluster.peers[1].chord();
    let mut terminal = Terminal::spawn(&cli(&peer, &["top", "--every", "500ms"]), 24, 80);
    terminal.wait_until("three peers and rates", |screen| {
        let text = screen.contents();
        screen.alternate_screen()
            && ["p1 ", "p2 ", "p3 ", "all views agree", "RPCs served"].iter().all(|word| text.contains(word))
    });
    assert!(!wraps(&terminal), "{}", terminal.text());
    terminal.send("?");
    terminal.wait_for("hold everything");
    terminal.send("q");
    terminal.wait_until("the help is gone", |screen| !screen.contents().contains("hold everything"));
    terminal.send("/p3\r");
    terminal.wait_for("Peers (1 of 3: /p3)");
    terminal.send("\r");
    terminal.wait_for("incarnation");
    terminal.send("\r");
    terminal.resize(10, 40);
    terminal.wait_for("too small");
    terminal.resize(40, 120);
    terminal.wait_for("Ring: ●");
    cluster.peers[0].share("a file that appears.txt", b"now");
    terminal.wait_for("p1: a file that appears.txt");
    cluster.peers[1].kill();
    terminal.wait_for("LOST for");
    cluster.peers[1].start();
    terminal.wait_until("it is found again", |screen| {
        let text = screen.contents();
        !text.contains("LOST for") && text.contains("answered")
    });
    terminal.send("\u{1b}");
    terminal.wait_for("Peers (3)");
    terminal.send("q");
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.look(|screen| assert!(!screen.alternate_screen() && !screen.hide_cursor()));

    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 0)] {
        let mut terminal = Terminal::spawn(&cli(&peer, &["top"]), 24, 80);
        terminal.wait_for("Peers (");
        terminal.signal(signal);
        assert_eq!(terminal.wait().code(), Some(code));
        terminal.look(|screen| assert!(!screen.alternate_screen() && !screen.hide_cursor()));
    }
}

#[test]
fn top_is_for_programs_too() {
    let cluster = ring(2);
    let peer = cluster.peers[1].chord();
    let run = |arguments: &[&str]| {
        run(Program::ChordCli, Path::new("/"), &[&["--peer", &peer], arguments].concat())
    };
    let refused = run(&["top"]);
    assert_eq!((refused.code, &*refused.out), (2, ""), "{refused:?}");
    assert!(refused.err.contains("`ring`") && refused.err.contains("--output json watch"), "{refused:?}");
    let frame = run(&["top", "--once"]).ok();
    assert!(frame.out.contains("Peers (2)") && frame.out.contains("RPCs served"), "{frame:?}");
    assert!(
        !frame.out.contains('\u{1b}') && frame.out.lines().all(|line| line.chars().count() <= 100),
        "{frame:?}"
    );
    let view = run(&["--output", "json", "top", "--once"]).ok().json();
    assert_eq!(view["ring"]["peers"].as_array().map(Vec::len), Some(2), "{view}");
    assert!(
        view["traffic"]["served_per_second"].as_f64() > Some(0.0) && view["peer"]["name"] == "p2",
        "{view}"
    );
}

#[test]
fn events_are_one_line_each() {
    let cluster = ring(2);
    let peer = cluster.peers[1].chord();
    let mut terminal = Terminal::spawn(&cli(&peer, &["watch"]), 24, 80);
    terminal.wait_for("The files of 2 of 2 peers are watched.");
    let name = format!("{}.txt", "many words ".repeat(15));
    cluster.peers[0].share(&name, b"now");
    terminal.wait_for("file-appeared");
    terminal.wait_for("…");
    assert!(!wraps(&terminal), "{}", terminal.text());
    assert!(String::from_utf8_lossy(&terminal.written()).contains("\u{1b}[32mfile-appeared"));
    terminal.send("\x03");
    assert_eq!(terminal.wait().code(), Some(0));
}
