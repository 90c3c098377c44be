//! `top`: the ring, what one peer has to do, and what happens, as long as one looks.

mod ask;
mod draw;
mod feed;
mod keys;
#[cfg(test)]
mod samples;
mod screen;
mod state;
mod traffic;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use chord_client::{Client, ClientError};
use ratatui::crossterm::event::Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::ask::Looker;
use self::screen::Screen;
use self::state::{Message, Model};
use crate::args::{Args, Format, Top};
use crate::commands::until_interrupted;
use crate::output::screen::{colours, screen as stdout_screen};
use crate::output::{Output, note};

/// Messages that wait to be taken.
const QUEUE: usize = 256;

/// Between two drawings where nothing comes, so that ages are right.
const TICK: Duration = Duration::from_millis(500);

/// Between the two looks of `--once`, which rates need.
const BETWEEN: Duration = Duration::from_secs(1);

/// Cells of a line of `--once` where there is no terminal.
const COLUMNS: usize = 100;

/// Shows it until `q` or Ctrl-C; with `--once` as it is now; with `--output json` one snapshot after another.
///
/// # Errors
/// [`ClientError::Usage`] where standard output is no terminal; where the first look fails, unless it can be shown.
pub async fn run(client: &Client, args: &Args, top: &Top) -> Result<u8, ClientError> {
    let output = Output::new(args.output);
    match (top.once, args.output) {
        (true, _) => once(client, &output, top).await,
        (false, Format::Json) => until_interrupted(stream(client, &output, top)).await,
        (false, Format::Table) => live(client, top).await,
    }
}

/// Whether there is a terminal for the view, if it needs one.
///
/// # Errors
/// [`ClientError::Usage`] where there is none.
pub fn check(args: &Args, top: &Top) -> Result<(), ClientError> {
    if top.once || args.output == Format::Json || std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(ClientError::Usage(
        "`top` draws on a terminal, and standard output is none. `ring` prints the ring once, `top --once` this view; \
         `--output json top` prints one snapshot after another, `--output json watch` each event"
            .to_owned(),
    ))
}

async fn once(client: &Client, output: &Output, top: &Top) -> Result<u8, ClientError> {
    let mut looker = Looker::new(client);
    looker.look().await?;
    tokio::time::sleep(BETWEEN.min(top.every)).await;
    let view = looker.look().await?;
    output.show(&view, |view| {
        let mut model = Model::new(client.address(), top.every);
        let now = Instant::now();
        model.looked(Ok(Box::new(view.clone())), now);
        draw::plain(&model, now, stdout_screen().width.unwrap_or(COLUMNS))
    })?;
    Ok(0)
}

async fn stream(client: &Client, output: &Output, top: &Top) -> Result<u8, ClientError> {
    let mut looker = Looker::new(client);
    let mut first = true;
    loop {
        let began = Instant::now();
        match looker.look().await {
            Ok(view) => {
                first = false;
                if !output.json_line(&view)? {
                    return Ok(0);
                }
            }
            // The first one says whether this makes sense at all.
            Err(error) if first => return Err(error),
            Err(error) => note(&format!("{error}; asking again.")),
        }
        tokio::time::sleep_until(ask::next(began, began.elapsed(), top.every).into()).await;
    }
}

async fn live(client: &Client, top: &Top) -> Result<u8, ClientError> {
    let (to, mut messages) = mpsc::channel(QUEUE);
    let mut model = Model::new(client.address(), top.every);
    let mut screen = Screen::open().map_err(no_terminal)?;
    screen::read(to.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(Looker::new(client).keep_looking(top.every, to.clone()));
    tasks.spawn(feed::follow(client.clone(), to.clone()));
    tasks.spawn(screen::signals(to));
    let colours = colours();
    loop {
        let now = Instant::now();
        screen.terminal.draw(|frame| draw::draw(frame, &model, now, colours)).map_err(no_terminal)?;
        let Ok(mut next) = tokio::time::timeout(TICK, messages.recv()).await else { continue };
        // All that has come is drawn at once.
        while let Some(message) = next {
            if let Some(code) = take(&mut model, message)? {
                return Ok(code);
            }
            next = messages.try_recv().ok();
        }
    }
}

fn no_terminal(error: std::io::Error) -> ClientError {
    ClientError::Failed(format!("the terminal can't be drawn on: {error}"))
}

/// What the message changes. The exit code, where it ends the program.
fn take(model: &mut Model, message: Message) -> Result<Option<u8>, ClientError> {
    match message {
        Message::Look(look) => model.looked(look, Instant::now()),
        Message::Happened(line) => model.happened(line),
        Message::Feed(feed) => model.feed = feed,
        Message::Terminal(Event::Key(key)) if !keys::press(model, key) => return Ok(Some(0)),
        // The next drawing asks for the size.
        Message::Terminal(_) => {}
        Message::NoTerminal(why) => {
            return Err(ClientError::Failed(format!("the keyboard can't be read: {why}")));
        }
        Message::End(code) => return Ok(Some(code)),
    }
    Ok(None)
}
