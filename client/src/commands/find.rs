//! `find`: who holds the file of exactly this name.

use chord_client::views::{FileView, SourceView};
use chord_client::{Client, ClientError};

use crate::commands::somebody;
use crate::output::{Column, Output, count, milliseconds, safe, shorten, size, table};

const COLUMNS: [Column<'_>; 6] = [
    ("PEER", false),
    ("SIZE", true),
    ("MODIFIED", false),
    ("BLAKE3", false),
    ("STATE", false),
    ("URL", false),
];

/// Shows the holders.
pub async fn run(client: &Client, output: &Output, name: &str) -> Result<u8, ClientError> {
    let found = client.find(name).await?;
    somebody(&found, name)?;
    output.show(&FileView::from(found), show)?;
    Ok(0)
}

fn show(file: &FileView) -> String {
    let mut text = table(&COLUMNS, file.sources.iter().map(row));
    text.push_str(&format!(
        "\n\n{}, {} shown; key {}\nasked: {}; {}\n",
        count(file.total, "holder"),
        file.sources.len(),
        file.key,
        safe(&file.route.peers.join(" > ")),
        milliseconds(file.route.elapsed_us)
    ));
    if !file.complete {
        text.push_str("Some peer that should have been asked did not answer: there may be more holders.\n");
    }
    text
}

fn row(source: &SourceView) -> Vec<String> {
    vec![
        shorten(&source.peer, 20),
        size(source.size),
        source.modified.clone(),
        digest(source.digest.as_deref()),
        if source.alive { "alive" } else { "given up" }.to_owned(),
        source.url.clone(),
    ]
}

/// The first digits of a digest, as columns show it.
pub fn digest(digest: Option<&str>) -> String {
    let digits = digest.map(|digest| digest.trim_start_matches("blake3:"));
    digits.map_or_else(|| "-".to_owned(), |digits| digits.chars().take(12).collect())
}
