//! What the peer asked has to do: numbers, and how they went.

use chord_client::views::TrafficView;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};

use super::{Model, Palette, panel};
use crate::output::paint::Colour;
use crate::output::safe;
use crate::output::width::{clip, cut};
use crate::output::{count, size};

/// The unit of a diagram: rates are no whole numbers.
const FINE: f64 = 100.0;

/// A diagram's rate, and its text.
type Diagram = (fn(&TrafficView) -> f64, fn(&TrafficView) -> String);

const DIAGRAMS: [Diagram; 4] = [
    (|rates| rates.served_per_second, |rates| format!("RPCs served {:.1}/s", rates.served_per_second)),
    (|rates| rates.made_per_second, |rates| format!("RPCs made {:.1}/s", rates.made_per_second)),
    (|rates| rates.lookups_per_second, |rates| format!("lookups {:.1}/s", rates.lookups_per_second)),
    (
        |rates| rates.sent_bytes_per_second + rates.taken_bytes_per_second,
        |rates| {
            format!("files {}/s", size((rates.sent_bytes_per_second + rates.taken_bytes_per_second) as u64))
        },
    ),
];

/// Four diagrams, and a line of what is left.
pub fn draw(frame: &mut Frame, area: Rect, model: &Model, palette: Palette) {
    let whose = model.look.as_ref().map_or_else(|| "the peer".to_owned(), |(look, _)| safe(&look.peer.name));
    let block = panel(format!("Traffic of {}", cut(&whose, 30)), false);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(now) = model.history.back() else {
        let text = Paragraph::new("rates need two answers").style(palette.style(Some(Colour::Dim)));
        return frame.render_widget(text, inner);
    };
    let [above, below] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(inner);
    let columns = Layout::horizontal([Constraint::Ratio(1, 4); 4]).spacing(2).split(above);
    for ((rate, text), area) in DIAGRAMS.iter().zip(columns.iter()) {
        let [title, diagram] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(*area);
        frame.render_widget(Line::raw(cut(&text(now), usize::from(title.width))), title);
        let places = usize::from(diagram.width);
        let first = model.history.len().saturating_sub(places);
        // The newest one stands at the right.
        let before = std::iter::repeat_n(0, places.saturating_sub(model.history.len()));
        let rates = model.history.range(first..).map(|rates| (rate(rates) * FINE) as u64);
        let data: Vec<u64> = before.chain(rates).collect();
        frame.render_widget(
            Sparkline::default().data(data).style(palette.style(Some(Colour::Green))),
            diagram,
        );
    }
    frame.render_widget(Line::raw(clip(&rest(now), usize::from(below.width))), below);
}

/// What matters most first, since a narrow terminal does not show all.
fn rest(now: &TrafficView) -> String {
    let lookup = now.lookup_ms.map_or_else(String::new, |ms| format!("; lookup {ms:.1} ms"));
    let hops = now.lookup_hops.map_or_else(String::new, |hops| format!(", {hops:.1} hops"));
    format!(
        "CPU {:.0} %, {}; REST {:.1}/s; searches {:.1}/s; transfers {:.1}/s{lookup}{hops}; {} under way",
        now.processors * 100.0,
        size(now.memory_bytes),
        now.requests_per_second,
        now.searches_per_second,
        now.transfers_per_second,
        count(now.transfers_in_flight, "transfer")
    )
}
