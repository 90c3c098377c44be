//! A terminal that a test looks at and types into, and the program that runs on it.
//!
//! The program has the terminal as its standard input, output and error, and as the one that controls it: it learns of
//! a new size by SIGWINCH, and Ctrl-C is typed as `"\x03"`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use vt100::{Parser, Screen};

use crate::programs::{PATIENCE, ensure, eventually};

/// What the program would inherit from the terminal that the tests themselves run on.
const OF_TERMINALS: [&str; 5] = ["COLUMNS", "LINES", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"];

/// Lines that have scrolled away and are still known.
const SCROLLBACK: usize = 10_000;

/// A terminal (xterm with 256 colours) and the program on it, which is killed when this is dropped.
pub struct Terminal {
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<Shown>>,
}

struct Shown {
    parser: Parser,
    /// All bytes that the program has written.
    bytes: Vec<u8>,
    /// The program, and all that it had started, have let go of the terminal.
    over: bool,
}

impl Terminal {
    /// Runs `command` on a new terminal of this size. Of its standard streams and environment only what was set
    /// counts; the program doesn't see the variables that describe the terminal of the tests.
    ///
    /// # Panics
    /// Where there is no terminal to be had, or the program can't be started.
    pub fn spawn(command: &Command, rows: u16, cols: u16) -> Terminal {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
        grantpt(&screen).expect("a terminal of one's own");
        unlockpt(&screen).expect("a terminal that opens");
        tcsetwinsize(&screen, size(rows, cols)).expect("a terminal of this size");
        let name = OsString::from_vec(ptsname(&screen, Vec::new()).expect("a terminal's name").into_bytes());

        let mut starter = Command::new(starter());
        starter.arg(name).arg(command.get_program()).args(command.get_args());
        for variable in OF_TERMINALS {
            starter.env_remove(variable);
        }
        starter.env("TERM", "xterm-256color");
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => starter.env(variable, value),
                None => starter.env_remove(variable),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            starter.current_dir(folder);
        }
        let child = starter.spawn().unwrap_or_else(|error| panic!("{starter:?} cannot be started: {error}"));

        let keyboard = File::from(screen);
        let screen = keyboard.try_clone().expect("the terminal once more");
        let parser = Parser::new(rows, cols, SCROLLBACK);
        let shown = Arc::new(Mutex::new(Shown { parser, bytes: Vec::new(), over: false }));
        let watched = Arc::clone(&shown);
        std::thread::spawn(move || watch(screen, &watched));
        Terminal { child, keyboard, shown }
    }

    /// Types this.
    ///
    /// # Panics
    /// Where the program is no longer there.
    pub fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal that takes keys");
    }

    /// Makes the terminal larger or smaller; the program is told.
    ///
    /// # Panics
    /// Where the system refuses.
    pub fn resize(&mut self, rows: u16, cols: u16) {
        self.lock().parser.screen_mut().set_size(rows, cols);
        tcsetwinsize(&self.keyboard, size(rows, cols)).expect("a terminal of this size");
    }

    /// What `look` sees on the screen as it is now.
    pub fn look<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        look(self.lock().parser.screen())
    }

    /// The text on the screen as it is now, without spaces at the ends of lines.
    pub fn text(&self) -> String {
        self.look(Screen::contents)
    }

    /// All that the program has written so far, as it was written.
    pub fn written(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Waits until the screen is so.
    ///
    /// # Panics
    /// After [`PATIENCE`], with what is on the screen.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut(&Screen) -> bool) {
        eventually(PATIENCE, what, || {
            let shown = self.lock();
            let screen = shown.parser.screen();
            ensure(is_so(screen), || format!("(it runs: {})\n{}", !shown.over, screen.contents()))
        });
    }

    /// Waits until this text is on the screen.
    ///
    /// # Panics
    /// As [`Terminal::wait_until`].
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// Where the system refuses.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("a program that takes signals");
    }

    /// Waits until the program has ended by itself and all that it wrote is known.
    ///
    /// # Panics
    /// Where it runs longer than [`PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        let status = eventually(PATIENCE, "the end of the program", || {
            self.child.try_wait().expect("the state of a child").ok_or_else(|| self.text())
        });
        eventually(Duration::from_secs(10), "the end of what it wrote", || {
            ensure(self.lock().over, || "something else still has the terminal".to_owned())
        });
        status
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(rows: u16, cols: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }
}

/// `on-terminal`, which cargo builds together with each test of this package.
fn starter() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let folder =
        test.parent().and_then(std::path::Path::parent).expect("tests lie below their profile's folder");
    let starter = folder.join("on-terminal");
    assert!(starter.exists(), "{}: cargo builds it for tests below tests/ only", starter.display());
    starter
}

fn watch(mut screen: File, shown: &Mutex<Shown>) {
    let mut buffer = [0; 4096];
    loop {
        // An error is how Linux says that nobody has the terminal any more.
        let read = screen.read(&mut buffer).unwrap_or(0);
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if read == 0 {
            shown.over = true;
            return;
        }
        shown.parser.process(&buffer[..read]);
        shown.bytes.extend_from_slice(&buffer[..read]);
    }
}
