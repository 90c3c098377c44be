//! The ring, drawn: each peer at the angle of its identifier, clockwise from the top.

use std::f64::consts::TAU;

use chord_client::views::RingPeerView;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::canvas::{Canvas, Circle};

use super::{Model, Palette, panel};
use crate::output::paint::Colour;
use crate::output::safe;
use crate::output::width::{cut, width};

/// With more peers than this, only those that stand out have their names beside them.
const NAMES: usize = 24;

/// Cells of a name.
const NAME: usize = 10;

/// From the middle to the upper and lower edge, where the circle's radius is 1.
const EDGE: f64 = 1.25;

/// The circle with its peers.
pub fn draw(frame: &mut Frame, area: Rect, model: &Model, palette: Palette) {
    let block = panel("Ring: ● member, ○ passing, ✕ silent".to_owned(), false);
    let inner = block.inner(area);
    // A cell is twice as high as it is wide.
    let side = EDGE * f64::from(inner.width) / (2.0 * f64::from(inner.height.max(1)));
    let cell = 2.0 * side / f64::from(inner.width.max(1));
    let chosen = model.row().map(|row| model.peers()[row].id.clone());
    let mut peers = model.peers();
    let named = peers.len() <= NAMES;
    // The last one drawn is the one seen.
    peers.sort_by_key(|peer| (chosen.as_deref() == Some(&*peer.id), peer.state != "member"));
    let canvas =
        Canvas::default().block(block).x_bounds([-side, side]).y_bounds([-EDGE, EDGE]).paint(|context| {
            let color = if palette.0 { Color::DarkGray } else { Color::Reset };
            context.draw(&Circle { x: 0.0, y: 0.0, radius: 1.0, color });
            for peer in &peers {
                let Some(turn) = turn(&peer.id) else { continue };
                let is_chosen = chosen.as_deref() == Some(&*peer.id);
                let (x, y) = ((turn * TAU).sin(), (turn * TAU).cos());
                let (symbol, style) = look(peer, is_chosen, palette);
                context.print(x, y, Line::styled(symbol, style));
                if named || is_chosen || peer.state != "member" {
                    let name = cut(&safe(&peer.name), NAME);
                    let cells = width(&name) as f64 * cell;
                    // Beside the circle, but not outside of the picture.
                    let at = if x < 0.0 { x - cells - cell } else { x + 2.0 * cell };
                    let at = at.clamp(-side, (side - cells).max(-side));
                    context.print(at, y * 1.2, Line::styled(name, style));
                }
            }
        });
    frame.render_widget(canvas, area);
}

fn look(peer: &RingPeerView, is_chosen: bool, palette: Palette) -> (&'static str, Style) {
    let (symbol, colour) = match &*peer.state {
        "member" => ("●", Colour::Green),
        "suspected" => ("✕", Colour::Red),
        _ => ("○", Colour::Yellow),
    };
    let style = palette.style(Some(colour));
    (symbol, if is_chosen { style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED) } else { style })
}

/// Where an identifier lies on the ring, 0 to 1.
fn turn(id: &str) -> Option<f64> {
    let digits = u64::from_str_radix(id.get(..13)?, 16).ok()?;
    Some(digits as f64 / (1u64 << 52) as f64)
}

#[cfg(test)]
mod tests {
    use super::turn;

    #[test]
    fn identifiers_are_angles() {
        let id = |digit: char| format!("{digit}{}", "0".repeat(39));
        assert_eq!(['0', '4', '8'].map(|digit| turn(&id(digit))), [Some(0.0), Some(0.25), Some(0.5)]);
        assert_eq!((turn("nonsense"), turn("")), (None, None));
    }
}
