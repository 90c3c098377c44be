use chord_client::views::ProblemView;

use super::super::samples::{look, model, peer, traffic};
use super::super::state::Line as Event;
use super::*;

/// What is on a terminal of this size, a second after the answer.
fn screen(model: &Model, columns: u16, rows: u16) -> String {
    drawn(model, columns, rows, Duration::from_secs(1), true).0
}

fn drawn(model: &Model, columns: u16, rows: u16, after: Duration, colours: bool) -> (String, Buffer) {
    let now = model.look.as_ref().map_or_else(Instant::now, |(_, at)| *at) + after;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
    terminal.draw(|frame| draw(frame, model, now, colours)).expect("a drawing");
    let buffer = terminal.backend().buffer().clone();
    (lines(&buffer), buffer)
}

fn happened(model: &mut Model, kind: &str, what: &str) {
    let at = "2026-01-01T09:30:01Z".to_owned();
    model.happened(Event { at, kind: kind.to_owned(), what: what.to_owned() });
}

/// Eight peers with some traffic and an event.
fn eight() -> Model {
    let mut model = model(8);
    let now = Instant::now();
    for served in [3.0, 9.0, 6.0] {
        let mut view = look(8);
        view.traffic = Some(traffic(served));
        model.looked(Ok(Box::new(view)), now);
    }
    happened(&mut model, "file-appeared", "p4: docs/report.pdf (47.1 KiB)");
    model
}

#[test]
fn eight_peers_fit_a_common_terminal() {
    insta::assert_snapshot!(screen(&eight(), 80, 24), @r"
    chordial, through p1 (http://127.0.0.1:7300), member
    8 peers, all views agree; all 24 entries at 3 peers each
    answered 1.0 s ago in 12.34 ms, asked every 2s
     Peers (8), by ring order ──────────────────────────────────────────────────────
    NAME        ID         STATE       SHARE                  ENTRIES FILES VERSION
    p1          1f23456789 member        2.8 % █                  3+6     2 0.1.0
    p2          3e23456789 member        5.6 % ██                 3+6     2 0.1.0
    p3          5d23456789 member        8.3 % ███                3+6     2 0.1.0
    p4          7c23456789 member       11.1 % ████               3+6     2 0.1.0
    p5          9b23456789 member       13.9 % █████              3+6     2 0.1.0
    p6          ba23456789 member       16.7 % ██████             3+6     2 0.1.0
    p7          d923456789 member       19.4 % ███████            3+6     2 0.1.0
    p8          f823456789 member       22.2 % ████████           3+6     2 0.1.0
     Traffic of p1 ─────────────────────────────────────────────────────────────────
    RPCs served 6.0/s    RPCs made 3.0/s     lookups 0.5/s        files 1.4 MiB/s
                    ▂█▅                 ▂█▅                  ███                 ███
    CPU 7 %, 23.8 MiB; REST 2.0/s; searches 0.0/s; transfers 0.1/s; lookup 1.2 ms, …
     Events ────────────────────────────────────────────────────────────────────────
    09:30:01Z  file-appeared   p4: docs/report.pdf (47.1 KiB)




    q end  ? help  / filter  s r order  Enter peer  Tab panel  Space pause
    ");
}

#[test]
fn a_larger_terminal_has_the_ring_beside_them() {
    insta::assert_snapshot!(screen(&eight(), 120, 40), @r"
    chordial, through p1 (http://127.0.0.1:7300), member
    8 peers, all views agree; all 24 entries at 3 peers each
    answered 1.0 s ago in 12.34 ms, asked every 2s
     Peers (8), by ring order ────────────────────────────────────────────────── Ring: ● member, ○ passing, ✕ silent ───────
    NAME    ID         STATE       SHARE                  ENTRIES FILES VERSION                p8
    p1      1f23456789 member        2.8 % █                  3+6     2 0.1.0                     ●
    p2      3e23456789 member        5.6 % ██                 3+6     2 0.1.0                 ⢀⡠⠔⠒⠋⠉⠉⠉⠉⠉⠉⠙⠒⠢⢄⡀   p1
    p3      5d23456789 member        8.3 % ███                3+6     2 0.1.0              ⢀⡠⠚⠁              ⠈⠓●⡀
    p4      7c23456789 member       11.1 % ████               3+6     2 0.1.0         p7 ●⡴⠋                    ⠙⢦⡀
    p5      9b23456789 member       13.9 % █████              3+6     2 0.1.0           ⢀⠞                        ⠳⡀
    p6      ba23456789 member       16.7 % ██████             3+6     2 0.1.0          ⢀⠏                          ⠹⡀
    p7      d923456789 member       19.4 % ███████            3+6     2 0.1.0          ⡜                            ⢣
    p8      f823456789 member       22.2 % ████████           3+6     2 0.1.0          ⡇                            ● p2
                                                                                      ⢸                              ⡇
                                                                                   p6 ●⡇                            ⢸
                                                                                       ⢣                            ⡜
                                                                                       ⠈⣆                          ⣰⠁
                                                                                        ⠘⢦                      ● ⡴⠃
                                                                                         ⠈⠳⣄●                   ⣠⠞p3
                                                                                         p5⠈⠑⢤⡀              ⢀⡤⠊⠁
                                                                                              ⠈⠑⠢⠤⣄⣀⣀⣀●⣀⣀⣠⠤⠔⠊⠁
                                                                                                     ⠈  p4

     Traffic of p1 ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    RPCs served 6.0/s              RPCs made 3.0/s               lookups 0.5/s                  files 1.4 MiB/s
                               █                             █                             ███                           ███
                               ██                            ██                            ███                           ███
                              ███                           ███                            ███                           ███
    CPU 7 %, 23.8 MiB; REST 2.0/s; searches 0.0/s; transfers 0.1/s; lookup 1.2 ms, 1.5 hops; 1 transfer under way
     Events ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    09:30:01Z  file-appeared   p4: docs/report.pdf (47.1 KiB)








    q end  ? help  / filter  s r order  Enter peer  Tab panel  Space pause
    ");
}

#[test]
fn a_suspected_peer_is_said_to_be_by_word_and_colour() {
    let mut view = look(8);
    view.ring.peers[2] = peer(3, "suspected");
    view.ring.agreed = false;
    let what = "its successor p3 does not answer".to_owned();
    view.ring.problems = vec![ProblemView { peer: "p2".to_owned(), what, remedy: String::new() }];
    let mut model = model(8);
    model.looked(Ok(Box::new(view)), Instant::now());
    let (text, buffer) = drawn(&model, 120, 40, Duration::ZERO, true);
    assert!(text.contains("8 peers, 1 disagreement") && text.contains("✕"), "{text}");
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).expect("a row").to_owned();
    assert!(row("p3 ").contains("suspected") && row("p2 ").contains("member !"), "{text}");
    let red = |buffer: &Buffer| buffer.content.iter().any(|cell| cell.fg == Color::Red);
    assert!(red(&buffer));
    let (same, buffer) = drawn(&model, 120, 40, Duration::ZERO, false);
    assert_eq!(same, text, "colours say nothing that is not written");
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    model.go(1);
    model.open();
    let text = screen(&model, 80, 24);
    assert!(
        text.contains("its successor p3 does not answer") && text.contains("http://127.0.0.1:7310"),
        "{text}"
    );
}

#[test]
fn a_lost_peer_is_said_with_the_age_of_what_is_shown() {
    let mut model = eight();
    let at = model.look.as_ref().map(|(_, at)| *at).expect("a look");
    model.looked(Err("nothing answers\u{1b}[2J".to_owned()), at + Duration::from_secs(4));
    let (text, _) = drawn(&model, 80, 24, Duration::from_secs(14), true);
    let line = "LOST for 10 s, asking again: shown is what was 14 s ago; nothing answers";
    assert!(text.contains(line) && text.contains("p8 "), "{text}");
    assert!(!text.contains('\u{1b}'));
    let mut nothing = Model::new("http://127.0.0.1:7300", Duration::from_secs(2));
    assert!(screen(&nothing, 80, 24).contains("nothing is known yet"));
    nothing.looked(Err("it has not joined".to_owned()), Instant::now());
    assert!(screen(&nothing, 80, 24).contains("it has not joined"));
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    for (columns, rows) in [(59, 24), (80, 14), (20, 5)] {
        let text = screen(&eight(), columns, rows);
        assert!(text.contains("too small") && text.contains("60x15") && !text.contains("p1"), "{text}");
    }
    for (columns, rows) in [(1, 1), (60, 15), (61, 16), (75, 30), (300, 100)] {
        let text = screen(&eight(), columns, rows);
        assert_eq!(text.contains("Peers (8)"), columns >= 60, "{text}");
    }
}

#[test]
fn two_hundred_peers_scroll() {
    let mut model = model(200);
    let text = screen(&model, 120, 40);
    assert!(text.contains("Peers (200)") && text.contains("p1 ") && !text.contains("p200 "), "{text}");
    model.go(1000);
    let text = screen(&model, 120, 40);
    assert!(text.contains("p200 "), "{text}");
    model.filter = "p19".to_owned();
    assert!(screen(&model, 80, 24).contains("Peers (11 of 200: /p19)"));
}

#[test]
fn naughty_names_neither_act_nor_push() {
    let mut view = look(3);
    view.name = "\u{1b}]0;title\u{7}".to_owned();
    view.ring.peers[0].name = "年度报告".repeat(20);
    view.ring.peers[1].name = "a\u{202e}b\nc\u{1b}[31m".to_owned();
    view.ring.peers[2].name = "👨‍👩‍👧‍👦🦀".repeat(20);
    let mut model = model(0);
    model.looked(Ok(Box::new(view)), Instant::now());
    happened(&mut model, "file-appeared", &"年".repeat(200));
    for (columns, rows) in [(60, 15), (80, 24), (120, 40), (200, 50)] {
        for over in [Over::Nothing, Over::Help, Over::Peer(model.peers()[1].id.clone())] {
            model.over = over;
            let text = screen(&model, columns, rows);
            assert!(text.lines().all(|line| width(line) <= usize::from(columns)), "{text}");
            assert!(
                !text.contains(|c| c != '\n' && c != '\u{200d}' && chord_client::text::is_treacherous(c)),
                "{text}"
            );
        }
        model.over = Over::Nothing;
        let shown = screen(&model, columns, rows).matches(" member  ").count();
        assert_eq!(shown, if rows == 15 { 2 } else { 3 });
    }
}

#[test]
fn the_help_names_every_key() {
    let mut model = eight();
    model.over = Over::Help;
    let text = screen(&model, 80, 24);
    for (key, what) in super::super::keys::HELP {
        assert!(text.contains(key) && text.contains(what), "{key} is not in\n{text}");
    }
}

#[test]
fn it_can_be_printed_without_a_terminal() {
    let text = plain(&eight(), Instant::now(), 100);
    assert!(text.contains("p8 ") && text.contains("RPCs served 6.0/s") && !text.contains("q end"), "{text}");
    assert!(text.lines().all(|line| width(line) <= 100), "{text}");
    assert!(plain(&model(200), Instant::now(), 80).contains("p200 "), "all of them");
}

#[test]
fn ages_read_well() {
    let ages = [0, 9, 119, 120, 7200].map(|seconds| age(Duration::from_secs(seconds)));
    assert_eq!(ages, ["0.0 s", "9.0 s", "119 s", "2 min", "2 h"]);
}
