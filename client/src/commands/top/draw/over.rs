//! What lies over the whole: the keys, and all of one peer.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::{Model, Palette};
use crate::commands::top::keys;
use crate::output::paint::Colour;
use crate::output::safe;
use crate::output::width::{cut, pad};

/// Cells of a title.
const TITLE: usize = 14;

/// The keys.
pub fn help(frame: &mut Frame, area: Rect) {
    let lines = keys::HELP.map(|(key, what)| Line::raw(format!("{}  {what}", pad(key, TITLE, false))));
    window(frame, area, "Keys", lines.to_vec());
}

/// All that the ring's answer has of a peer.
pub fn peer(frame: &mut Frame, area: Rect, model: &Model, id: &str, palette: Palette) {
    let Some(ring) = model.ring() else { return };
    let Some(peer) = ring.peers.iter().find(|peer| peer.id == *id) else {
        return window(frame, area, "Peer", vec![Line::raw("It is no longer in the ring.")]);
    };
    let unknown = || "-".to_owned();
    let entries = peer.entries.as_ref();
    let mut lines = Vec::new();
    let mut line = |title: &str, value: String, colour: Option<Colour>| {
        lines.push(Line::from(vec![
            Span::raw(pad(title, TITLE, false)),
            Span::styled(safe(&value), palette.style(colour)),
        ]));
    };
    line("id", peer.id.clone(), None);
    line("state", peer.state.clone(), Colour::of_state(&peer.state).or(Some(Colour::Green)));
    line("chord", peer.chord.clone(), None);
    line("gateway", peer.gateway.clone().unwrap_or_else(unknown), None);
    line("share", format!("{:.2} % of the ring", peer.share * 100.0), None);
    line(
        "entries",
        entries.map_or_else(unknown, |kept| format!("{} its own, {} copies", kept.owned, kept.replicas)),
        None,
    );
    line("files", peer.shared_files.map_or_else(unknown, |files| format!("{files} shared")), None);
    line("version", peer.version.clone().unwrap_or_else(unknown), None);
    line("incarnation", peer.incarnation.to_string(), None);
    for what in model.problems(&peer.name) {
        line("wrong", what.to_owned(), Some(Colour::Yellow));
    }
    for arc in ring.replicas.iter().flat_map(|kept| &kept.short_arcs).filter(|arc| arc.peer == peer.name) {
        line(
            "short",
            format!(
                "{} entries of its arc have {} copies; not {}",
                arc.entries,
                arc.copies,
                arc.behind.join(", ")
            ),
            Some(Colour::Yellow),
        );
    }
    window(frame, area, &cut(&safe(&peer.name), 40), lines);
}

fn window(frame: &mut Frame, area: Rect, title: &str, mut lines: Vec<Line<'_>>) {
    lines.push(Line::raw(""));
    lines.push(Line::raw("Any key leads back."));
    let rows = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).max(12);
    let area = area.centered(Constraint::Max(76), Constraint::Max(rows));
    let block = Block::bordered().title(format!(" {title} "));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
}
