//! How `top` looks. Everything that came from a peer is [`safe`], and cut to the cells that it has.

mod over;
mod peers;
mod ring;
mod traffic;

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::state::{Model, Over, Panel};
use crate::commands::{ring as ring_command, ring_check};
use crate::output::paint::Colour;
use crate::output::width::{clip, cut, width};
use crate::output::{milliseconds, safe};

/// Columns and rows below which nothing can be read.
const LEAST: (u16, u16) = (60, 15);

/// Columns that the table of peers needs; what is more goes to the picture of the ring.
const TABLE: u16 = 76;

/// Rows of the picture of the ring, at least.
const PICTURE: u16 = 10;

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
struct Palette(bool);

impl Palette {
    /// Words that say the same have this style.
    fn style(self, colour: Option<Colour>) -> Style {
        match colour {
            Some(Colour::Dim) => Style::new().add_modifier(Modifier::DIM),
            _ if !self.0 => Style::new(),
            Some(Colour::Red) => Style::new().fg(Color::Red),
            Some(Colour::Yellow) => Style::new().fg(Color::Yellow),
            Some(Colour::Green) => Style::new().fg(Color::Green),
            Some(Colour::Blue) => Style::new().fg(Color::Blue),
            None => Style::new(),
        }
    }
}

/// Draws all of it, as it is `now`.
pub fn draw(frame: &mut Frame, model: &Model, now: Instant, colours: bool) {
    let (area, palette) = (frame.area(), Palette(colours));
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (columns, rows) = LEAST;
        let text = format!("{}x{} is too small:\n{columns}x{rows} at least", area.width, area.height);
        return frame.render_widget(Paragraph::new(text), area);
    }
    let events = (area.height / 4).clamp(3, 12);
    let traffic = if area.height >= 30 { 6 } else { 4 };
    let [head, body, traffic, events, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(0),
        Constraint::Length(traffic),
        Constraint::Length(events),
        Constraint::Length(1),
    ])
    .areas(area);
    header(frame, head, model, now, palette);
    self::body(frame, body, model, palette);
    traffic::draw(frame, traffic, model, palette);
    feed(frame, events, model, palette);
    footer(frame, foot, model);
    match &model.over {
        Over::Nothing => {}
        Over::Help => over::help(frame, area),
        Over::Peer(id) => over::peer(frame, area, model, id, palette),
    }
}

/// What is known, drawn once as lines of at most `columns` cells, without what moves.
pub fn plain(model: &Model, now: Instant, columns: usize) -> String {
    let columns = u16::try_from(columns).unwrap_or(u16::MAX).clamp(LEAST.0, 400);
    let peers = u16::try_from(model.peers().len()).unwrap_or(u16::MAX);
    let rows = peers.saturating_add(2).clamp(PICTURE, 2000);
    let backend = TestBackend::new(columns, rows + 7);
    let Ok(mut terminal) = Terminal::new(backend);
    let Ok(_) = terminal.draw(|frame| {
        let [head, body, traffic] =
            Layout::vertical([Constraint::Length(3), Constraint::Length(rows), Constraint::Length(4)])
                .areas(frame.area());
        let palette = Palette(false);
        header(frame, head, model, now, palette);
        self::body(frame, body, model, palette);
        traffic::draw(frame, traffic, model, palette);
    });
    lines(terminal.backend().buffer())
}

/// The text of what was drawn, without spaces at the ends of lines.
fn lines(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.area.rows() {
        let (mut line, mut column) = (String::new(), row.x);
        while column < row.right() {
            let symbol = buffer[(column, row.y)].symbol();
            line.push_str(symbol);
            // Behind what takes two cells there is an empty one.
            column += u16::try_from(width(symbol)).unwrap_or(1).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn header(frame: &mut Frame, area: Rect, model: &Model, now: Instant, palette: Palette) {
    let most = usize::from(area.width);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = Vec::new();
    match &model.look {
        None => lines.extend([
            Line::styled(cut(&format!("asking {}", safe(&model.address)), most), bold),
            Line::raw("nothing is known yet"),
        ]),
        Some((look, _)) => {
            let title = format!(
                "{}, through {} ({}), {}",
                safe(&look.name),
                safe(&look.peer.name),
                safe(&model.address),
                safe(&look.state)
            );
            lines.push(Line::styled(cut(&title, most), bold));
            let right = look.ring.agreed && look.ring.problems.is_empty();
            let short = look.ring.replicas.as_ref().is_some_and(|replicas| replicas.short > 0);
            let views = Span::styled(
                ring_command::summary(&look.ring),
                palette.style(Some(if right { Colour::Green } else { Colour::Red })),
            );
            let kept = look.ring.replicas.as_ref().map_or_else(String::new, ring_check::replicas);
            let kept = kept.trim_end().trim_start_matches("replicas: ").to_owned();
            let kept = Span::styled(kept, palette.style(short.then_some(Colour::Yellow)));
            lines.push(Line::from(vec![views, Span::raw("; "), kept]));
        }
    }
    lines.push(status(model, now, most, palette));
    frame.render_widget(Paragraph::new(lines), area);
}

/// How old it is what is shown, and why.
fn status(model: &Model, now: Instant, most: usize, palette: Palette) -> Line<'static> {
    let seen =
        model.look.as_ref().map(|(look, at)| (look.elapsed_us, age(now.saturating_duration_since(*at))));
    match (&model.lost, seen) {
        (Some((why, since)), seen) => {
            let since = age(now.saturating_duration_since(*since));
            let shown = seen.map_or_else(String::new, |(_, seen)| format!("shown is what was {seen} ago; "));
            let text = format!("LOST for {since}, asking again: {shown}{}", safe(why));
            Line::styled(clip(&text, most), palette.style(Some(Colour::Red)).add_modifier(Modifier::BOLD))
        }
        (None, None) => Line::raw(""),
        (None, Some((took, seen))) => {
            let every = humantime::format_duration(model.every);
            let text = format!("answered {seen} ago in {}, asked every {every}", milliseconds(took));
            match model.paused {
                true => Line::styled(
                    clip(&format!("PAUSED; {text}; Space goes on"), most),
                    palette.style(Some(Colour::Yellow)).add_modifier(Modifier::BOLD),
                ),
                false => Line::styled(clip(&text, most), palette.style(Some(Colour::Dim))),
            }
        }
    }
}

/// How long something is ago.
fn age(ago: Duration) -> String {
    match ago.as_secs() {
        0..=9 => format!("{:.1} s", ago.as_secs_f64()),
        seconds @ 10..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// The peers, and the ring beside them where there is room.
fn body(frame: &mut Frame, area: Rect, model: &Model, palette: Palette) {
    let room = area.width.saturating_sub(TABLE);
    if room < 2 * PICTURE || area.height < PICTURE {
        return peers::draw(frame, area, model, palette);
    }
    // A cell is twice as high as it is wide, and names stand beside the circle.
    let picture = room.min(area.height * 2 + 10);
    let [table, picture] = Layout::horizontal([Constraint::Min(0), Constraint::Length(picture)]).areas(area);
    peers::draw(frame, table, model, palette);
    ring::draw(frame, picture, model, palette);
}

/// A panel is only a title above what it holds.
fn panel(title: String, has_keys: bool) -> Block<'static> {
    let style = if has_keys { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
    Block::new().borders(Borders::TOP).title(Span::styled(format!(" {title} "), style))
}

fn feed(frame: &mut Frame, area: Rect, model: &Model, palette: Palette) {
    let mut title = match model.back {
        0 => "Events".to_owned(),
        back => format!("Events, {back} before the last"),
    };
    if let Some(why) = &model.feed {
        title.push_str(&cut(
            &format!(": none come, {}", safe(why)),
            usize::from(area.width).saturating_sub(12),
        ));
    }
    let block = panel(title, model.panel == Panel::Events);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let shown = model.events.len().saturating_sub(model.back);
    let first = shown.saturating_sub(usize::from(inner.height));
    let line = |event: &super::state::Line| {
        let clock = event.at.split_once('T').map_or(&*event.at, |(_, clock)| clock);
        let clock = format!("{:<9}  ", safe(clock));
        let kind = format!("{:<14}  ", safe(&event.kind));
        let most = usize::from(inner.width).saturating_sub(width(&clock) + width(&kind));
        let style = palette.style(Colour::of_event(&event.kind));
        let what = cut(&event.what, most);
        Line::from(vec![
            Span::styled(clock, palette.style(Some(Colour::Dim))),
            Span::styled(kind, style),
            Span::raw(what),
        ])
    };
    let lines: Vec<Line> = model.events.range(first..shown).map(line).collect();
    let text = match lines.is_empty() {
        true => Paragraph::new("nothing has happened yet").style(palette.style(Some(Colour::Dim))),
        false => Paragraph::new(lines),
    };
    frame.render_widget(text, inner);
}

fn footer(frame: &mut Frame, area: Rect, model: &Model) {
    let text = match model.typing {
        true => format!("/{}_  Enter keeps it, Esc shows all", safe(&model.filter)),
        false => "q end  ? help  / filter  s r order  Enter peer  Tab panel  Space pause".to_owned(),
    };
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(clip(&text, usize::from(area.width))).style(style), area);
}

#[cfg(test)]
mod tests;
