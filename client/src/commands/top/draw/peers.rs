//! The table of peers.

use chord_client::views::RingPeerView;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, TableState};

use super::{Model, Palette, Panel, panel};
use crate::output::paint::Colour;
use crate::output::width::{cut, pad};
use crate::output::{safe, short_id};

/// Cells of a bar.
const BAR: usize = 8;

/// Columns of the terminal from which on the version, the identifier are shown.
const VERSION: u16 = 74;
const IDENTIFIER: u16 = 64;

/// Cells of an identifier, a state, a share with its bar, entries, files and a version.
const CELLS: [u16; 6] = [10, 11, 16, 13, 5, 8];

/// Titles above [`CELLS`].
const TITLES: [&str; 6] = ["ID", "STATE", "SHARE", "ENTRIES", "FILES", "VERSION"];

/// The peers, those around the chosen one where not all have room.
pub fn draw(frame: &mut Frame, area: Rect, model: &Model, palette: Palette) {
    let peers = model.peers();
    let total = model.ring().map_or(0, |ring| ring.peers.len());
    let mut title = match peers.len() == total {
        true => format!("Peers ({total})"),
        false => format!("Peers ({} of {total}: /{})", peers.len(), cut(&safe(&model.filter), 20)),
    };
    title.push_str(&format!(", by {}{}", model.sort.name(), if model.reversed { ", reversed" } else { "" }));

    let hidden =
        |column: usize| (column == 0 && area.width < IDENTIFIER) || (column == 5 && area.width < VERSION);
    let columns: Vec<usize> = (0..CELLS.len()).filter(|column| !hidden(*column)).collect();
    let cells: u16 = columns.iter().map(|&column| CELLS[column] + 1).sum();
    let name = usize::from(area.width.saturating_sub(cells));
    let greatest = peers.iter().map(|peer| peer.share).fold(0.0, f64::max);
    let rows = peers.iter().map(|peer| {
        let mut all = self::cells(peer, greatest, model, palette);
        let mut row = vec![Line::raw(cut(&safe(&peer.name), name))];
        row.extend(columns.iter().map(|&column| std::mem::take(&mut all[column])));
        Row::new(row)
    });
    let titles = columns.iter().map(|&column| {
        let number = matches!(column, 3 | 4);
        Line::raw(pad(TITLES[column], usize::from(CELLS[column]), number))
    });
    let widths = columns.iter().map(|&column| Constraint::Length(CELLS[column]));
    let table = Table::new(rows, std::iter::once(Constraint::Min(0)).chain(widths))
        .column_spacing(1)
        .header(
            Row::new(std::iter::once(Line::raw("NAME")).chain(titles))
                .style(Style::new().add_modifier(Modifier::DIM)),
        )
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(panel(title, model.panel == Panel::Peers));
    let mut state = TableState::new().with_selected(model.row());
    frame.render_stateful_widget(table, area, &mut state);
}

fn cells(peer: &RingPeerView, greatest: f64, model: &Model, palette: Palette) -> [Line<'static>; 6] {
    let unknown = || "-".to_owned();
    let number = |text: String, column: usize| Line::raw(pad(&text, usize::from(CELLS[column]), true));
    let troubled = model.problems(&peer.name).next().is_some();
    let state = format!("{}{}", safe(&peer.state), if troubled { " !" } else { "" });
    let state = cut(&state, usize::from(CELLS[1]));
    let colour =
        Colour::of_state(&peer.state).or(Some(if troubled { Colour::Yellow } else { Colour::Green }));
    let share = format!("{:>5.1} % ", peer.share * 100.0);
    let entries =
        peer.entries.as_ref().map_or_else(unknown, |kept| format!("{}+{}", kept.owned, kept.replicas));
    [
        Line::raw(short_id(&safe(&peer.id))),
        Line::styled(state, palette.style(colour)),
        Line::from(vec![Span::raw(share), Span::raw(bar(peer.share / greatest))]),
        number(entries, 3),
        number(peer.shared_files.map_or_else(unknown, |files| files.to_string()), 4),
        Line::raw(cut(&safe(peer.version.as_deref().unwrap_or("-")), usize::from(CELLS[5]))),
    ]
}

/// A bar of at most [`BAR`] cells, in eighths of a cell.
fn bar(part: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // What is no number is nothing.
    let eighths = (part.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bars_are_as_long_as_their_numbers() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(1.0), "████████");
        assert_eq!(bar(0.5 + 1.0 / 64.0), "████▏");
        assert_eq!((bar(f64::NAN), bar(7.0)), (String::new(), bar(1.0)));
    }
}
