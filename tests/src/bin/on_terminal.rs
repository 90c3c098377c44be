//! `on-terminal TERMINAL PROGRAM [ARGUMENT]…` becomes PROGRAM in a session of its own, whose terminal is TERMINAL: that
//! of a [`chordial_tests::pty::Terminal`]. A process can do this to itself only.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let terminal = arguments.next().ok_or("no terminal is named")?;
    let program = arguments.next().ok_or("no program is named")?;
    rustix::process::setsid()?;
    let terminal = File::options().read(true).write(true).open(terminal)?;
    rustix::process::ioctl_tiocsctty(&terminal)?;
    rustix::stdio::dup2_stdin(&terminal)?;
    rustix::stdio::dup2_stdout(&terminal)?;
    rustix::stdio::dup2_stderr(&terminal)?;
    drop(terminal);
    Err(Command::new(program).args(arguments).exec().into())
}
