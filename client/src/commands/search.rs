//! `search`: files by words and wildcards of their names.

use chord_client::views::{NamedFile, SearchPage};
use chord_client::{Client, ClientError};

use crate::args::Search;
use crate::commands::ls::{first_size, other_page, some_peers};
use crate::output::{Column, Output, count, note, table};

/// Names asked for at once where all are wanted.
const PAGE: u32 = 500;

/// More are not gathered: they are held in memory until the last page has come.
const MOST: usize = 100_000;

const COLUMNS: [Column<'_>; 5] =
    [("HOLDERS", true), ("SIZE", true), ("PEERS", false), ("STATE", false), ("NAME", false)];

/// Shows the hits: one page, or all as one.
pub async fn run(client: &Client, output: &Output, search: &Search) -> Result<u8, ClientError> {
    let query = search.text()?;
    let page = match search.all {
        true => all(client, &query).await?,
        false => SearchPage::new(&query, client.search(&query, search.limit, "").await?),
    };
    if page.hits.is_empty() {
        return Err(nothing(&page));
    }
    output.show(&page, show)?;
    if page.corrected {
        note("Nothing matches exactly: up to two typing errors in each word are forgiven.");
    }
    if !page.complete {
        note(&format!("There may be more: {}.", lacking(&page)));
    }
    if search.all && page.next.is_some() {
        note(&format!("These are the best {MOST}; there are more. Narrow the query."));
    }
    Ok(0)
}

/// All pages as one. What some page lacks, all do.
async fn all(client: &Client, query: &str) -> Result<SearchPage, ClientError> {
    let mut all = SearchPage::new(query, client.search(query, PAGE, "").await?);
    while all.hits.len() < MOST
        && let Some(cursor) = all.next.take()
    {
        let page = SearchPage::new(query, client.search(query, PAGE, &cursor).await?);
        all.next = other_page(&cursor, page.next)?;
        all.hits.extend(page.hits);
        all.total = all.total.max(page.total);
        all.corrected |= page.corrected;
        all.elapsed_us = all.elapsed_us.saturating_add(page.elapsed_us);
        if all.complete && !page.complete {
            (all.complete, all.asked, all.answered, all.silent) =
                (false, page.asked, page.answered, page.silent);
        }
    }
    Ok(all)
}

/// What to say where nothing matches.
pub fn nothing(page: &SearchPage) -> ClientError {
    match page.complete {
        true => ClientError::NotFound(format!("no file's name matches {:?}", page.query)),
        false => ClientError::Failed(format!(
            "nothing that is known matches {:?}, but there may be more: {}; ask again in a moment",
            page.query,
            lacking(page)
        )),
    }
}

/// Why a page is not complete.
pub fn lacking(page: &SearchPage) -> String {
    let asked = count(page.asked.into(), "peer");
    match page.silent.as_slice() {
        [] if page.answered < page.asked => {
            format!("{} of {asked} asked did not answer", page.asked - page.answered)
        }
        [] => "a word's list is too long to be kept whole".to_owned(),
        silent => format!("of {asked} asked, these did not answer: {}", silent.join(", ")),
    }
}

fn show(page: &SearchPage) -> String {
    let row = |file: &NamedFile| {
        vec![file.total.to_string(), first_size(file), some_peers(file), state(file), file.name.clone()]
    };
    let mut text = table(&COLUMNS, page.hits.iter().map(row));
    let shown = page.hits.len() as u64;
    text.push_str(&match page.next {
        Some(_) => {
            format!("\n\n{shown} of {}, page 1; more with --all\n", count(page.total.max(shown), "name"))
        }
        None => format!("\n\n{}\n", count(shown, "name")),
    });
    text
}

/// Whether those that have it live.
pub fn state(file: &NamedFile) -> String {
    let alive = file.sources.iter().filter(|source| source.alive).count();
    match file.sources.len() {
        listed if listed == alive => "alive".to_owned(),
        _ if alive == 0 => "given up".to_owned(),
        listed => format!("{alive} of {listed} alive"),
    }
}

#[cfg(test)]
mod tests {
    use chord_client::views::SourceView;

    use super::*;

    fn page() -> SearchPage {
        SearchPage {
            query: "a".to_owned(),
            hits: Vec::new(),
            next: None,
            complete: false,
            asked: 3,
            answered: 3,
            silent: Vec::new(),
            total: 0,
            corrected: false,
            elapsed_us: 0,
        }
    }

    #[test]
    fn why_an_answer_is_not_complete_is_said() {
        let mut page = page();
        assert!(lacking(&page).contains("too long"), "{}", lacking(&page));
        page.answered = 2;
        assert!(lacking(&page).contains("1 of 3 peers asked"), "{}", lacking(&page));
        page.silent = vec!["p5".to_owned()];
        assert!(lacking(&page).contains("p5"), "{}", lacking(&page));
        assert_eq!(nothing(&page).exit_code(), 1);
        page.complete = true;
        assert_eq!(nothing(&page).exit_code(), 4);
    }

    #[test]
    fn those_that_were_given_up_are_told_apart() {
        let source = |alive| SourceView {
            peer: "p1".to_owned(),
            id: String::new(),
            url: String::new(),
            path: String::new(),
            size: 1,
            modified: String::new(),
            digest: None,
            alive,
        };
        for (lives, expected) in
            [(&[true, true][..], "alive"), (&[true, false], "1 of 2 alive"), (&[false], "given up")]
        {
            let sources = lives.iter().map(|&alive| source(alive)).collect();
            let file = NamedFile { name: String::new(), key: String::new(), sources, total: 2 };
            assert_eq!(state(&file), expected);
        }
    }
}
