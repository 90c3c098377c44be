//! Colours of words on a terminal. They never say anything that a word does not say, too.

use std::borrow::Cow;

use super::screen::screen;

/// Colours in use: what is wrong, what is passing, what has come or is well, what is not known, what matters less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Red,
    Yellow,
    Green,
    Blue,
    Dim,
}

const END: &str = "[0m";

impl Colour {
    const ALL: [Colour; 5] = [Colour::Red, Colour::Yellow, Colour::Green, Colour::Blue, Colour::Dim];

    /// The colour of a state of peers and files; a healthy one has none.
    pub fn of_state(state: &str) -> Option<Self> {
        match state {
            "suspected" | "given up" => Some(Self::Red),
            "leaving" | "joining" | "unknown" => Some(Self::Yellow),
            // "member !", "1 of 2 alive"
            state if state.ends_with('!') || state.contains(" of ") => Some(Self::Yellow),
            _ => None,
        }
    }

    /// The colour of an event's name.
    pub fn of_event(name: &str) -> Option<Self> {
        match name {
            "peer-failed" | "peer-suspected" => Some(Self::Red),
            "peer-left" | "file-vanished" => Some(Self::Yellow),
            "peer-joined" | "peer-back" | "file-appeared" => Some(Self::Green),
            _ => None,
        }
    }

    /// What begins it, without ESC.
    fn code(self) -> &'static str {
        match self {
            Self::Red => "[31m",
            Self::Yellow => "[33m",
            Self::Green => "[32m",
            Self::Blue => "[34m",
            Self::Dim => "[2m",
        }
    }
}

/// The text in this colour, where the terminal has colours.
pub fn paint(text: &str, colour: Option<Colour>) -> String {
    match colour.filter(|_| screen().colours) {
        Some(colour) => painted(text, colour),
        None => text.to_owned(),
    }
}

fn painted(text: &str, colour: Colour) -> String {
    format!("\u{1b}{}{text}\u{1b}{END}", colour.code())
}

/// The text made fit to be shown by `escape`, all but the colours of this module, which cannot do more than colour.
pub fn escaped(text: &str, escape: fn(&str) -> Cow<'_, str>) -> String {
    let mut parts = text.split('\u{1b}');
    let mut safe = parts.next().map(escape).unwrap_or_default().into_owned();
    for part in parts {
        let codes = Colour::ALL.map(Colour::code).into_iter().chain([END]);
        match codes.into_iter().find(|code| screen().colours && part.starts_with(code)) {
            Some(code) => {
                safe.push('\u{1b}');
                safe.push_str(code);
                safe.push_str(&escape(&part[code.len()..]));
            }
            None => safe.push_str(&escape(&format!("\u{1b}{part}"))),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use chord_client::text::shown;

    use super::*;

    #[test]
    fn without_a_terminal_nothing_is_coloured_and_everything_escaped() {
        assert_eq!(paint("a", Some(Colour::Red)), "a");
        assert_eq!(escaped("a\u{1b}[31mb\u{1b}[2J\n", shown), "a\\u{1b}[31mb\\u{1b}[2J\\n");
        assert_eq!(painted("a", Colour::Dim), "\u{1b}[2ma\u{1b}[0m");
    }

    #[test]
    fn healthy_states_are_plain() {
        for (state, colour) in [
            ("member", None),
            ("alive", None),
            ("member !", Some(Colour::Yellow)),
            ("1 of 2 alive", Some(Colour::Yellow)),
            ("suspected", Some(Colour::Red)),
            ("suspected !", Some(Colour::Yellow)),
        ] {
            assert_eq!(Colour::of_state(state), colour, "{state}");
        }
    }
}
