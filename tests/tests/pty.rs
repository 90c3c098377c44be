//! The terminal for tests is one: what is typed arrives, its size is known and changes, and its program ends.

use std::process::Command;

use chordial_tests::pty::Terminal;

#[test]
fn a_program_has_the_terminal() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "stty size; read line; echo \"got $line\"; trap 'stty size' WINCH; read line; exit 3"]);
    let mut terminal = Terminal::spawn(&command, 24, 80);
    terminal.wait_for("24 80");
    terminal.send("words\n");
    terminal.wait_for("got words");
    terminal.resize(40, 120);
    terminal.wait_for("40 120");
    terminal.send("\n");
    assert_eq!(terminal.wait().code(), Some(3));

    let mut sleeps = Command::new("sh");
    sleeps.args(["-c", "echo begun; exec sleep 600"]);
    let mut terminal = Terminal::spawn(&sleeps, 5, 20);
    terminal.wait_for("begun");
    terminal.send("\x03");
    assert_eq!(terminal.wait().code(), None, "Ctrl-C is a signal");
}
