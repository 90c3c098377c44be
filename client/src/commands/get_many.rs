//! `get` of several names, or of all that a search finds: some at the same time, and what fails does not stop the
//! others.

use std::path::Path;

use chord_client::views::{GotManyView, GotView, NamedFile, NotGotView, SearchPage};
use chord_client::{Client, ClientError};
use futures::{StreamExt as _, stream};

use crate::advice;
use crate::args::{Args, Get};
use crate::commands::get::{fetch, is_new_folder, show};
use crate::commands::search::{lacking, nothing};
use crate::output::{Output, complain, count, note, safe, size};
use crate::progress::Bars;

/// A file to fetch.
struct Wanted {
    name: String,
    /// As its first holder states it; 0 where nobody has said.
    size: u64,
}

/// Fetches them all. The exit code is that of the first one that failed, in the order asked for.
///
/// # Errors
/// Where nothing can be fetched at all: no folder to put it in, a search without results or with too many.
pub async fn run(client: &Client, output: &Output, get: &Get, args: &Args) -> Result<u8, ClientError> {
    check_folder(get.to.as_deref())?;
    let wanted = match &get.search {
        Some(query) => matching(client, query, get.limit).await?,
        None => named(client, get).await,
    };
    let bytes = wanted.iter().map(|file| file.size).sum();
    note(&format!("fetching {}, {}", count(wanted.len() as u64, "file"), size(bytes)));
    let bars = Bars::new(wanted.len() as u64, bytes);
    let mut fetched: Vec<(usize, Result<GotView, ClientError>)> = Vec::new();
    {
        let one = async |(index, file): (usize, &Wanted)| {
            let progress = || bars.progress(&file.name);
            let got = fetch(client, get, &file.name, args, &progress).await;
            // Nobody reads bytes here who could have had enough of them.
            let gone = || ClientError::Failed("standard output was closed".to_owned());
            (index, got.and_then(|got| got.ok_or_else(gone)))
        };
        let mut fetching =
            stream::iter(wanted.iter().enumerate()).map(one).buffer_unordered(get.at_once.into());
        while let Some((index, outcome)) = fetching.next().await {
            let there = outcome.as_ref().ok().filter(|got| got.peer.is_none()).map_or(0, |got| got.bytes);
            bars.one_done(there);
            if let Ok(got) = &outcome {
                bars.suspend(|| output.for_people(&show(got)))?;
            }
            fetched.push((index, outcome));
        }
    }
    bars.clear();
    fetched.sort_by_key(|(index, _)| *index);
    let mut view = GotManyView::default();
    for (index, outcome) in fetched {
        let name = wanted.get(index).map(|file| file.name.clone()).unwrap_or_default();
        match outcome {
            Ok(got) => view.files.push(got),
            Err(error) => {
                let why = advice(&error, &args.peer.to_string());
                view.failed.push(NotGotView { name, code: error.exit_code(), why });
            }
        }
    }
    output.show(&view, summary)?;
    for failed in &view.failed {
        complain(&format!("{}: {}", safe(&failed.name), failed.why));
    }
    Ok(view.failed.first().map_or(0, |failed| failed.code))
}

/// Several files need a folder.
fn check_folder(to: Option<&Path>) -> Result<(), ClientError> {
    match to {
        None => Ok(()),
        Some(to) if to == Path::new("-") => Err(ClientError::Usage(
            "several files have no place on standard output; -o names a folder for them".to_owned(),
        )),
        Some(to) if to.is_dir() || is_new_folder(to) => Ok(()),
        Some(to) => Err(ClientError::Usage(format!(
            "there is no folder {0}, and several files need one; `-o {0}/` makes it",
            to.display()
        ))),
    }
}

/// Each name once, in the order given, with its size.
async fn named(client: &Client, get: &Get) -> Vec<Wanted> {
    let mut names: Vec<&String> = Vec::new();
    for name in &get.names {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let look = async |name: &String| {
        // Who has no answer yet says why when it is fetched.
        let found = client.find(name).await.unwrap_or_default();
        let size =
            found.sources.first().and_then(|source| source.entry.as_ref()).map_or(0, |entry| entry.size);
        Wanted { name: name.clone(), size }
    };
    stream::iter(names).map(look).buffered(get.at_once.into()).collect().await
}

/// What a search finds, if that is all of it and no more than `limit`.
async fn matching(client: &Client, query: &str, limit: u32) -> Result<Vec<Wanted>, ClientError> {
    let page = SearchPage::new(query, client.search(query, limit, "").await?);
    if page.hits.is_empty() {
        return Err(nothing(&page));
    }
    if page.corrected {
        return Err(ClientError::NotFound(format!(
            "no file's name matches {query:?} exactly; `search` shows what is near"
        )));
    }
    if page.next.is_some() {
        return Err(ClientError::Usage(format!(
            "more than {} match {query:?}: nothing was fetched. Narrow the query, or allow more with --limit",
            count(limit.into(), "name")
        )));
    }
    if !page.complete {
        note(&format!("There may be more: {}.", lacking(&page)));
    }
    let wanted = |file: NamedFile| {
        let size = file.sources.first().map_or(0, |source| source.size);
        Wanted { name: file.name, size }
    };
    Ok(page.hits.into_iter().map(wanted).collect())
}

fn summary(view: &GotManyView) -> String {
    let (here, all) = (view.files.len(), view.files.len() + view.failed.len());
    let bytes = view.files.iter().map(|file| file.bytes).sum();
    let received = view.files.iter().map(|file| file.received).sum();
    let failed = match view.failed.len() {
        0 => String::new(),
        failed => format!("; {failed} failed"),
    };
    format!(
        "\n{here} of {}, {}; {} received now{failed}\n",
        count(all as u64, "file"),
        size(bytes),
        size(received)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_need_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = |name: &str| folder.path().join(name);
        std::fs::write(inside("file"), "").expect("a file");
        assert!(check_folder(None).is_ok() && check_folder(Some(folder.path())).is_ok());
        assert!(check_folder(Some(&inside("new/"))).is_ok());
        for wrong in [Path::new("-"), &inside("file"), &inside("new")] {
            assert!(matches!(check_folder(Some(wrong)), Err(ClientError::Usage(_))), "{wrong:?}");
        }
    }

    #[test]
    fn the_summary_counts() {
        let got = |received| GotView {
            name: "a".to_owned(),
            file: "a".to_owned(),
            bytes: 2048,
            received,
            digest: None,
            peer: None,
            path: None,
        };
        let mut view = GotManyView { files: vec![got(0), got(1024)], failed: Vec::new() };
        assert_eq!(summary(&view), "\n2 of 2 files, 4.0 KiB; 1.0 KiB received now\n");
        view.failed.push(NotGotView { name: "b".to_owned(), code: 4, why: "nobody".to_owned() });
        assert!(summary(&view).contains("2 of 3 files") && summary(&view).contains("; 1 failed"));
    }
}
