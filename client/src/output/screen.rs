//! What the terminal that results go to is like, if there is one.

use std::io::{IsTerminal as _, stdout};
use std::sync::OnceLock;

use ratatui::crossterm::terminal;

use super::width::cut;

/// A terminal, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Screen {
    /// Cells of a line that must not wrap; none: nothing is cut.
    pub width: Option<usize>,
    /// Whether colours may be used.
    pub colours: bool,
}

/// Cells of a text that is cut, at least.
const LEAST: usize = 12;

static SCREEN: OnceLock<Screen> = OnceLock::new();

/// The one of standard output; no terminal until [`use_terminal`] has been called.
pub fn screen() -> Screen {
    SCREEN.get().copied().unwrap_or_default()
}

/// Has results fit standard output, if that is a terminal, and have colours there; `wide`: lines may be of any length.
pub fn use_terminal(wide: bool) {
    if !stdout().is_terminal() {
        return;
    }
    let told = terminal::window_size().map_or(0, |size| usize::from(size.columns));
    let variable = std::env::var("COLUMNS").ok();
    let width = columns(told, variable.as_deref()).filter(|_| !wide);
    // Whoever called this first has looked at the same terminal.
    let _ = SCREEN.set(Screen { width, colours: colours() });
}

/// The text as the end of a line of which so many cells are used: cut where a terminal is narrower, but never to
/// fewer cells than tell anything.
pub fn rest_of_line(text: &str, used: usize) -> String {
    screen().width.map_or_else(|| text.to_owned(), |most| cut(text, most.saturating_sub(used).max(LEAST)))
}

/// What the terminal says; only where it says nothing, what the variable COLUMNS does.
fn columns(told: usize, variable: Option<&str>) -> Option<usize> {
    let variable = variable.and_then(|text| text.parse().ok());
    [Some(told), variable].into_iter().flatten().find(|columns| *columns > 0)
}

/// Whether a terminal should be shown colours (<https://no-color.org>).
pub fn colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_asked_first() {
        assert_eq!(columns(80, Some("40")), Some(80));
        assert_eq!(columns(0, Some("40")), Some(40));
        for nothing in [None, Some(""), Some("0"), Some("-1"), Some("many")] {
            assert_eq!(columns(0, nothing), None);
        }
    }
}
