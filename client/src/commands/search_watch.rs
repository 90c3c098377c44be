//! `search --watch`: what begins to match, as it appears.

use chord_client::views::{NamedFile, WatchView};
use chord_client::{Client, ClientError};

use crate::commands::ls::{first_size, some_peers};
use crate::commands::search::state;
use crate::output::screen::rest_of_line;
use crate::output::width::width;
use crate::output::{Output, note, safe};

/// Prints each new hit until the reader of standard output goes away.
///
/// # Errors
/// Where the search ends from the other side, too.
pub async fn run(client: &Client, output: &Output, query: &str) -> Result<u8, ClientError> {
    let mut matches = client.watch_search(query).await?;
    note(&format!("Watching for new files that match {query:?}; Ctrl-C ends it."));
    let mut complete = true;
    loop {
        let found = WatchView::from(matches.next().await?);
        if std::mem::replace(&mut complete, found.complete) != found.complete {
            note(match complete {
                true => "Complete again: all peers that should be asked answer.",
                false => "Not complete: some peer does not answer, or more match than are watched.",
            });
        }
        for hit in &found.hits {
            if !output.line(hit, line)? {
                return Ok(0);
            }
        }
    }
}

/// Columns of fixed width, since the next line is not known yet. On a terminal it is one line there, too.
fn line(file: &NamedFile) -> String {
    let peers = safe(&some_peers(file));
    let before = format!("{:>10}  {peers:<16}  {:<8}  ", first_size(file), state(file));
    before.clone() + &rest_of_line(&safe(&file.name), width(&before))
}
