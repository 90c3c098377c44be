//! A terminal's screen as a page, so that the browser can take its picture.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// The sixteen colours that have names, as xterm has them, a little softer.
const NAMED: [&str; 16] = [
    "#1d2126", "#e06c6c", "#8ac47a", "#d9b35c", "#6f9fe0", "#c58adb", "#5fbfc4", "#c9d1d9", "#7d8590",
    "#ff8f8f", "#a7e096", "#f2cf7d", "#93bdf7", "#dfaef2", "#86dde2", "#ffffff",
];

/// The screen as an HTML page.
pub fn page(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let mut lines = String::new();
    for row in 0..rows {
        let cells = (0..columns).filter_map(|column| screen.cell(row, column));
        let cells: Vec<&Cell> = cells.filter(|cell| !cell.is_wide_continuation()).collect();
        for run in cells.chunk_by(|one, other| style(one) == style(other)) {
            let text: String =
                run.iter().map(|cell| if cell.has_contents() { cell.contents() } else { " " }).collect();
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            // A String takes everything.
            let _ = write!(lines, "<span style='{}'>{text}</span>", style(run[0]));
        }
        lines.push('\n');
    }
    format!(
        "<!doctype html><meta charset=utf-8><title>terminal</title><style>body {{ margin: 0; background: #1d2126 }}\
         pre {{ margin: 0; padding: 14px 18px; color: #c9d1d9; font: 14px/1.25 'DejaVu Sans Mono', monospace }}\
         span {{ display: inline-block; height: 1.25em }}</style><pre>{lines}</pre>"
    )
}

fn style(cell: &Cell) -> String {
    let (mut front, mut back) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
    if cell.inverse() {
        (front, back) = (back.or(Some(NAMED[0].into())), front.or(Some(NAMED[7].into())));
    }
    let mut style = String::new();
    front.into_iter().for_each(|front| style.push_str(&format!("color:{front};")));
    back.into_iter().for_each(|back| style.push_str(&format!("background:{back};")));
    for (is, words) in [
        (cell.bold(), "font-weight:bold;"),
        (cell.dim(), "opacity:0.65;"),
        (cell.italic(), "font-style:italic;"),
        (cell.underline(), "text-decoration:underline;"),
    ] {
        if is {
            style.push_str(words);
        }
    }
    style
}

/// As CSS says it; `None`: the terminal's own.
fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Rgb(red, green, blue) => Some(format!("rgb({red},{green},{blue})")),
        Color::Idx(index @ 0..16) => Some(NAMED[usize::from(index)].into()),
        // A cube of 6 × 6 × 6 colours, then 24 greys.
        Color::Idx(index @ 16..232) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let index = index - 16;
            Some(format!("rgb({},{},{})", level(index / 36), level(index / 6 % 6), level(index % 6)))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            Some(format!("rgb({grey},{grey},{grey})"))
        }
    }
}
