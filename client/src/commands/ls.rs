//! `ls`: what this peer, another one, or the whole network shares.

use chord_client::views::{CatalogFile, CatalogView, FilesPage, NamedFile};
use chord_client::{Client, ClientError};

use crate::args::Ls;
use crate::commands::find::digest;
use crate::output::{Column, Output, count, safe, size, table};

/// Files asked for at once.
const PAGE: u32 = 500;

/// More are not gathered: a listing is held in memory until its last page has come.
const MOST: usize = 1_000_000;

const FILES: [Column<'_>; 4] = [("SIZE", true), ("MODIFIED", false), ("BLAKE3", false), ("PATH", false)];
const NAMES: [Column<'_>; 4] = [("HOLDERS", true), ("SIZE", true), ("PEERS", false), ("NAME", false)];

/// Shows the files, all pages of them as one.
pub async fn run(client: &Client, output: &Output, ls: &Ls) -> Result<u8, ClientError> {
    match ls.all {
        true => output.show(&network(client).await?, show_network)?,
        false => output.show(&of_peer(client, ls.of.as_deref().unwrap_or("")).await?, show_peer)?,
    }
    Ok(0)
}

async fn of_peer(client: &Client, peer: &str) -> Result<CatalogView, ClientError> {
    let mut all = CatalogView::from(client.list_files(peer, PAGE, "").await?);
    while let Some(cursor) = all.next.take() {
        let page = CatalogView::from(client.list_files(peer, PAGE, &cursor).await?);
        (all.total, all.problem) = (page.total, page.problem);
        all.next = onward(&cursor, page.next, all.files.len())?;
        all.files.extend(page.files);
    }
    Ok(all)
}

async fn network(client: &Client) -> Result<FilesPage, ClientError> {
    let mut all = FilesPage::from(client.list_names(PAGE, "").await?);
    while let Some(cursor) = all.next.take() {
        let page = FilesPage::from(client.list_names(PAGE, &cursor).await?);
        all.complete &= page.complete;
        all.next = onward(&cursor, page.next, all.files.len())?;
        all.files.extend(page.files);
    }
    Ok(all)
}

/// The next cursor, if it leads on.
fn onward(cursor: &str, next: Option<String>, gathered: usize) -> Result<Option<String>, ClientError> {
    let next = other_page(cursor, next)?;
    if next.is_some() && gathered > MOST {
        return Err(ClientError::Failed(format!(
            "there are more than {MOST} files; read them page by page from a gateway, GET /api/v1/files?cursor="
        )));
    }
    Ok(next)
}

/// The next cursor, if it is not that of the page which it came with.
pub fn other_page(cursor: &str, next: Option<String>) -> Result<Option<String>, ClientError> {
    match next.as_deref() == Some(cursor) {
        true => Err(ClientError::Failed("the peer's listing does not end: it repeats a page".to_owned())),
        false => Ok(next),
    }
}

fn show_peer(catalog: &CatalogView) -> String {
    let row = |file: &CatalogFile| {
        vec![size(file.size), file.modified.clone(), digest(file.digest.as_deref()), file.path.clone()]
    };
    let mut text = table(&FILES, catalog.files.iter().map(row));
    text.push_str(&format!("\n\n{} shares {}\n", safe(&catalog.peer), count(catalog.total, "file")));
    if let Some(problem) = &catalog.problem {
        text.push_str(&format!("These are known from before: {}\n", safe(problem)));
    }
    text
}

fn show_network(page: &FilesPage) -> String {
    let row = |file: &NamedFile| {
        vec![file.total.to_string(), first_size(file), some_peers(file), file.name.clone()]
    };
    let mut text = table(&NAMES, page.files.iter().map(row));
    text.push_str(&format!("\n\n{} in the network\n", count(page.files.len() as u64, "name")));
    if !page.complete {
        text.push_str("Some peer that should have been asked did not answer: there may be more.\n");
    }
    text
}

/// The first three peers that have the file.
pub fn some_peers(file: &NamedFile) -> String {
    let peers: Vec<&str> = file.sources.iter().map(|source| source.peer.as_str()).collect();
    match peers.len() {
        0..=3 => peers.join(", "),
        _ => format!("{}, …", peers[..3].join(", ")),
    }
}

/// The size that the first of them states.
pub fn first_size(file: &NamedFile) -> String {
    file.sources.first().map_or_else(|| "-".to_owned(), |source| size(source.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_is_not_current_says_so() {
        let mut catalog =
            CatalogView { peer: "p1".to_owned(), total: 0, files: Vec::new(), next: None, problem: None };
        assert!(!show_peer(&catalog).contains("before"));
        catalog.problem = Some("its directory can't be read".to_owned());
        assert!(show_peer(&catalog).contains("known from before: its directory can't be read"));
    }

    #[test]
    fn a_listing_that_runs_in_a_circle_is_noticed() {
        assert!(matches!(onward("a", Some("b".to_owned()), 1), Ok(Some(_))));
        assert!(matches!(onward("a", None, MOST + 1), Ok(None)));
        assert!(onward("a", Some("a".to_owned()), 1).is_err());
        assert!(onward("a", Some("b".to_owned()), MOST + 1).is_err());
    }
}
