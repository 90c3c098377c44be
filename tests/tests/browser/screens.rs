//! A picture of each screen, for people. They are only written into the sources where the caller says so.

use std::path::PathBuf;
use std::process::Command;

use chordial_tests::programs::{Program, TestPeer, program};
use chordial_tests::pty::Terminal;

use super::browser::{Browser, DESK, PHONE};
use super::page::{drawn, open, wait_connection, wait_drawn, wait_members};
use super::stage::{PEERS, eight, name_elsewhere, ring, wait_copied};
use super::terminal;

/// As large as the page of a terminal of 40 lines of 112 characters.
const TERMINAL: (u32, u32) = (1000, 745);

/// Where pictures go.
fn folder() -> PathBuf {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    match std::env::var_os("CHORDIAL_SCREENSHOTS").is_some_and(|wanted| wanted == "1") {
        true => sources.join("docs/entrega/ejecucion/local"),
        false => std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots"),
    }
}

/// Writes what the browser shows as `NAME.png`.
fn keep(browser: &Browser, name: &str) {
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("a folder for pictures");
    let path = folder.join(format!("{name}.png"));
    std::fs::write(&path, browser.picture()).expect("a picture");
    println!("{}", path.display());
}

/// Shows a view as somebody sees it who has just come to it.
fn show(browser: &Browser, view: &str) {
    browser.js_with(
        "location.hash = arguments[0]; window.scrollTo(0, 0); document.activeElement.blur()",
        &[view.into()],
    );
}

/// Waits until nothing is on its way any more.
fn settled(browser: &Browser) {
    wait_members(browser, PEERS);
    browser.wait("all copies are there", "return document.body.innerText.includes('every entry on 3 peers')");
}

#[test]
fn pictures_of_every_screen() {
    let mut cluster = eight();
    let browser = Browser::start();
    // Without motion, so that no picture is of something on its way.
    browser.prefer("light", true);
    open(&browser, &cluster.peers[0], "#/");
    wait_members(&browser, PEERS);
    let ids = drawn(&browser);
    browser.wait("its files", "return document.body.innerText.includes('report')");
    keep(&browser, "01-anillo");

    browser.fill("#search", "report");
    browser.wait("hits", "return document.querySelectorAll('[data-testid=hit]').length === 3");
    keep(&browser, "02-busqueda");

    show(&browser, "#/lookup");
    let name = name_elsewhere(&ring(&cluster.peers[0]), "p1");
    browser.fill("#lookup-name", &name);
    browser.click("#lookup-go");
    browser.wait("the answer", "return document.querySelector('[data-testid=lookup-owner]')");
    keep(&browser, "03-lookup");
    browser.click("#lookup-step");
    browser.wait("the first step", "return document.querySelectorAll('[data-testid=hop]').length === 1");
    keep(&browser, "04-lookup-pasos");

    show(&browser, "#/peers");
    browser.wait(
        "the table",
        "return document.querySelectorAll('table[data-testid=peers] tr[data-peer]').length === 8",
    );
    keep(&browser, "05-pares");
    show(&browser, &format!("#/peer/{}", ids["p4"].id));
    browser.wait(
        "its page",
        "return document.querySelector('[data-testid=peer-page] [data-testid=catalog] tr')",
    );
    browser.wait(
        "whom it knows",
        "return document.querySelector('[data-testid=peer-page]').innerText.includes('predecessor')",
    );
    keep(&browser, "06-par");

    cluster.peers[2].share("docs/new paper.txt", b"New.");
    show(&browser, "#/events");
    browser.wait("an event", "return document.querySelector('[data-testid=event][data-kind=file-appeared]')");
    keep(&browser, "07-eventos");

    cluster.peers[5].kill();
    wait_drawn(&browser, "p6 does not answer", |peers| {
        peers.get("p6").is_some_and(|peer| peer.state == "failed")
    });
    // The peer behind it is responsible for its arc now.
    let whole = "return [...document.querySelectorAll('[data-testid=peer]')]
        .reduce((sum, peer) => sum + Number(/([\\d.]+) %/.exec(peer.ariaLabel)?.[1] ?? 0), 0) > 98.5";
    browser.wait("all arcs have a peer", whole);
    keep(&browser, "08-par-caido");
    cluster.peers[5].start();
    settled(&browser);

    cluster.peers[0].kill();
    wait_connection(&browser, "lost");
    show(&browser, "#/");
    browser.wait(
        "some age",
        "return /[3-9] s/.test(document.querySelector('[data-testid=connection]').innerText)",
    );
    keep(&browser, "09-par-perdido");
    cluster.peers[0].start();
    wait_connection(&browser, "live");
    wait_members(&browser, PEERS);

    wait_members(&browser, PEERS);
    wait_copied(&cluster.peers[0]);
    browser.resize(PHONE);
    open(&browser, &cluster.peers[0], "#/");
    wait_members(&browser, PEERS);
    keep(&browser, "10-telefono");
    browser.resize(DESK);

    browser.prefer("dark", true);
    open(&browser, &cluster.peers[0], "#/peers");
    wait_members(&browser, PEERS);
    browser.wait(
        "the table",
        "return document.querySelectorAll('table[data-testid=peers] tr[data-peer]').length === 8",
    );
    keep(&browser, "11-oscuro");
    browser.prefer("light", true);

    browser.open(&format!("{}/text?q=report", cluster.peers[0].gateway()));
    keep(&browser, "12-texto");
    terminals(&browser, &cluster.peers[0], &name);
}

/// The client's commands as somebody types them into a shell.
fn terminals(browser: &Browser, peer: &TestPeer, name: &str) {
    let client = program(Program::ChordCli);
    let programs = client.parent().expect("a folder of programs");
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("sh");
    shell.arg("-i").current_dir(folder.path()).env_clear();
    shell
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("PS1", "$ ")
        .env("LC_ALL", "C.UTF-8");
    shell.env("CHORD_PEER", peer.chord());
    let mut terminal = Terminal::spawn(&shell, 40, 112);
    let picture = folder.path().join("terminal.html");
    let keep_terminal = |terminal: &Terminal, name: &str| {
        std::fs::write(&picture, terminal.look(terminal::page)).expect("a page");
        browser.open(&format!("file://{}", picture.display()));
        keep(browser, name);
    };
    browser.resize(TERMINAL);
    let mut prompts = 1;
    for line in ["chord-cli ring", &format!("chord-cli lookup --trace '{name}'"), "chord-cli search report"] {
        terminal.wait_until("a prompt", |screen| at_prompt(screen, prompts));
        terminal.send(&format!("{line}\n"));
        prompts += 1;
    }
    terminal.wait_until("a prompt", |screen| at_prompt(screen, prompts));
    keep_terminal(&terminal, "13-terminal");

    terminal.send("chord-cli top\n");
    terminal.wait_until("all peers", |screen| {
        screen.alternate_screen()
            && !screen.contents().contains("rates need two answers")
            && (1..=PEERS).all(|peer| screen.contents().contains(&format!("p{peer}")))
    });
    keep_terminal(&terminal, "14-terminal-top");
    terminal.send("q");
}

/// Whether this many commands have been typed or can be, the last one of which is awaited.
fn at_prompt(screen: &vt100::Screen, prompts: usize) -> bool {
    screen.contents().lines().filter(|line| line.starts_with('$')).count() == prompts
}
