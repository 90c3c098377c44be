//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::{Model, Over, Panel};

/// Rows of a page.
const PAGE: isize = 10;

/// Characters of a filter.
const FILTER: usize = 64;

/// The keys and what they do, for the help.
pub const HELP: [(&str, &str); 12] = [
    ("q, Esc, Ctrl-C", "end"),
    ("↑ ↓ j k", "one row up or down"),
    ("PgUp PgDn", "ten rows"),
    ("Home End g G", "the first row, the last one"),
    ("Tab", "peers or events"),
    ("Enter", "all of the peer chosen"),
    ("/", "only peers with this in their names; Esc: all"),
    ("s", "sort by the next column"),
    ("← →", "sort by the column to the left, right"),
    ("r", "turn the order round"),
    ("Space", "hold everything; again: go on"),
    ("?, h", "this help"),
];

/// Does what the key means. False: the program is to end.
pub fn press(model: &mut Model, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return key.code != KeyCode::Char('c');
    }
    if model.typing {
        type_filter(model, key.code);
        return true;
    }
    if model.over != Over::Nothing {
        // Any key leads back; those that end do only that here.
        model.over = Over::Nothing;
        return true;
    }
    match key.code {
        KeyCode::Esc if !model.filter.is_empty() => model.filter.clear(),
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Up | KeyCode::Char('k') => model.go(-1),
        KeyCode::Down | KeyCode::Char('j') => model.go(1),
        KeyCode::PageUp => model.go(-PAGE),
        KeyCode::PageDown => model.go(PAGE),
        KeyCode::Home | KeyCode::Char('g') => model.go(-isize::from(i16::MAX)),
        KeyCode::End | KeyCode::Char('G') => model.go(isize::from(i16::MAX)),
        KeyCode::Tab | KeyCode::BackTab => {
            model.panel = if model.panel == Panel::Peers { Panel::Events } else { Panel::Peers };
        }
        KeyCode::Enter => model.open(),
        KeyCode::Char('/') => model.typing = true,
        KeyCode::Char('s') | KeyCode::Right => model.sort = model.sort.step(1),
        KeyCode::Left => model.sort = model.sort.step(-1),
        KeyCode::Char('r') => model.reversed = !model.reversed,
        KeyCode::Char(' ') => model.pause(),
        KeyCode::Char('?' | 'h') => model.over = Over::Help,
        _ => {}
    }
    true
}

fn type_filter(model: &mut Model, key: KeyCode) {
    match key {
        KeyCode::Char(character) if model.filter.chars().count() < FILTER => model.filter.push(character),
        KeyCode::Backspace => drop(model.filter.pop()),
        KeyCode::Enter => model.typing = false,
        KeyCode::Esc => {
            model.filter.clear();
            model.typing = false;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::top::samples::model;
    use crate::commands::top::state::Sort;

    fn press_all(model: &mut Model, keys: &str) -> bool {
        keys.chars().all(|key| {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                '\u{1b}' => KeyCode::Esc,
                '\u{8}' => KeyCode::Backspace,
                key => KeyCode::Char(key),
            };
            press(model, KeyEvent::from(code))
        })
    }

    #[test]
    fn three_keys_end_it() {
        assert!(!press_all(&mut model(1), "q"));
        assert!(!press_all(&mut model(1), "\u{1b}"));
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let mut typing = model(1);
        assert!(press_all(&mut typing, "/q") && typing.filter == "q", "which is text in a filter");
        assert!(!press(&mut typing, interrupt), "Ctrl-C always ends");
    }

    #[test]
    fn what_lies_over_the_whole_goes_with_any_key() {
        let mut model = model(3);
        assert!(press_all(&mut model, "j\n"));
        assert!(matches!(&model.over, Over::Peer(id) if *id == model.peers()[1].id));
        assert!(press_all(&mut model, "q") && model.over == Over::Nothing);
        assert!(press_all(&mut model, "?") && model.over == Over::Help);
        assert!(press_all(&mut model, "\u{1b}") && model.over == Over::Nothing);
    }

    #[test]
    fn a_filter_is_typed_and_left() {
        let mut model = model(12);
        assert!(press_all(&mut model, "/p1x\u{8}\n"));
        assert_eq!((model.typing, model.peers().len()), (false, 4), "p1, p10, p11, p12");
        assert!(press_all(&mut model, "\u{1b}"), "the first Esc shows all again");
        assert_eq!(model.peers().len(), 12);
        assert!(!press_all(&mut model, "\u{1b}"));
    }

    #[test]
    fn the_order_and_the_panel_change() {
        let mut model = model(3);
        assert!(press_all(&mut model, "sr\tG "));
        assert_eq!(
            (model.sort, model.reversed, model.panel, model.paused),
            (Sort::Name, true, Panel::Events, true)
        );
        press(&mut model, KeyEvent::from(KeyCode::Left));
        assert_eq!(model.sort, Sort::Ring);
    }
}
