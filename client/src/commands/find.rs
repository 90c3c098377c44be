//! `find`: who holds the file of exactly this name.

use chord_client::views::{FileView, SourceView};
use chord_client::{Client, ClientError};

use crate::commands::somebody;
use crate::output::{Column, Output, count, milliseconds, safe, size, table};

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
    // Sources of one content stand together; an empty row parts them from the next.
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut contents = 0u64;
    let mut last = None;
    for source in &file.sources {
        let content = (&source.digest, source.size);
        if last.replace(content) != Some(content) {
            contents += 1;
            rows.extend((contents > 1).then(|| vec![String::new(); COLUMNS.len()]));
        }
        rows.push(row(source));
    }
    let mut text = table(&COLUMNS, rows);
    if contents > 1 {
        text.push_str(&format!(
            "\n\n{contents} different contents: choose with `get --digest DIGITS` or `get --from PEER`"
        ));
    }
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
        source.peer.clone(),
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

#[cfg(test)]
mod tests {
    use chord_client::views::RouteView;

    use super::*;

    #[test]
    fn different_contents_are_shown_apart() {
        let source = |peer: &str, digit: &str| SourceView {
            peer: peer.to_owned(),
            id: String::new(),
            url: "http://h:8000/files/a".to_owned(),
            path: "a".to_owned(),
            size: 5,
            modified: "2026-11-22T09:30:00Z".to_owned(),
            digest: Some(format!("blake3:{}", digit.repeat(64))),
            alive: true,
        };
        let mut file = FileView {
            name: "a".to_owned(),
            key: String::new(),
            sources: vec![source("p1", "1"), source("p3", "1")],
            total: 2,
            complete: true,
            route: RouteView { hops: 0, peers: Vec::new(), elapsed_us: 0 },
        };
        let peers = |text: &str| -> Vec<String> {
            let rows = text.lines().skip(1).take(4);
            rows.map(|row| row.split_whitespace().next().unwrap_or("").to_owned()).collect()
        };
        let text = show(&file);
        assert!(peers(&text)[..3] == ["p1", "p3", ""] && !text.contains("different"), "{text}");
        file.sources.push(source("p2", "2"));
        let text = show(&file);
        assert!(peers(&text) == ["p1", "p3", "", "p2"] && text.contains("2 different contents"), "{text}");
    }
}
