//! The terminal while `top` has it: its own screen, without line editing; given back however the program ends.

use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event;
use tokio::sync::mpsc::Sender;

use super::state::Message;

/// Between two looks whether the keys are still wanted.
const PATIENCE: Duration = Duration::from_millis(200);

/// The terminal. Dropping this gives it back; so does a panic, before it is told.
pub struct Screen {
    /// To draw on.
    pub terminal: DefaultTerminal,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Where it refuses.
    pub fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init();
        if terminal.is_err() {
            // It may have been taken half.
            let _ = ratatui::try_restore();
        }
        Ok(Self { terminal: terminal? })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

/// Hands over keys and new sizes, on a thread of its own, until nobody takes them.
pub fn read(to: Sender<Message>) {
    let next = || match event::poll(PATIENCE)? {
        true => event::read().map(Some),
        false => Ok(None),
    };
    std::thread::spawn(move || {
        while !to.is_closed() {
            let message = match next() {
                Ok(None) => continue,
                Ok(Some(event)) => Message::Terminal(event),
                Err(error) => Message::NoTerminal(error.to_string()),
            };
            let last = matches!(message, Message::NoTerminal(_));
            if to.blocking_send(message).is_err() || last {
                return;
            }
        }
    });
}

/// Hands over the signal that ends the program: its exit code is what shells make of it, and 0 for Ctrl-C.
pub async fn signals(to: Sender<Message>) {
    let code = ended().await;
    // Without a receiver it is ending already.
    let _ = to.send(Message::End(code)).await;
}

#[cfg(unix)]
async fn ended() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut terminate), Ok(mut hang_up), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::hangup()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => 128 + 15,
        _ = hang_up.recv() => 128 + 1,
        _ = interrupt.recv() => 0,
    }
}

#[cfg(not(unix))]
async fn ended() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 0,
        Err(_) => std::future::pending().await,
    }
}
