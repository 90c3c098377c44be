//! `get`: a file straight from a holder, verified, from another holder of the same bytes if one fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chord_client::views::digest_text;
use chord_client::{Client, ClientError};
use serde::Serialize;
use tokio::time::Instant;

use crate::args::Get;
use crate::candidate::{Candidate, choose};
use crate::commands::somebody;
use crate::download::{Download, Fault};
use crate::output::{Output, note, safe, size};
use crate::part;

/// Between two questions to an index that does not know of a change yet.
const PAUSE: Duration = Duration::from_millis(300);

/// What was downloaded.
#[derive(Debug, Serialize)]
struct GotView {
    /// The name asked for.
    name: String,
    /// Where it is now; `-` is standard output.
    file: String,
    /// Of the whole file.
    bytes: u64,
    /// Received by this run: less where an earlier one was continued, 0 where the file was there already.
    received: u64,
    /// What was verified; null where the holder has not computed it yet.
    digest: Option<String>,
    /// Who gave it; null where the file was there already.
    peer: Option<String>,
    /// Relative to the directory of that peer.
    path: Option<String>,
}

/// Finds, chooses and downloads.
pub async fn run(client: &Client, output: &Output, get: &Get, timeout: Duration) -> Result<u8, ClientError> {
    let target = target(get)?;
    let mut candidates = candidates(client, get).await?;
    let mut once_more = true;
    let got = loop {
        if let Some(got) = target.as_deref().and_then(|target| there_already(get, target, &candidates)) {
            break got;
        }
        let mut download = Download::open(target.as_deref(), &candidates)?;
        let error = match download.try_all(&candidates, timeout).await {
            Ok((holder, digest)) => {
                let (peer, path) = (Some(holder.peer.clone()), Some(holder.path.clone()));
                let (bytes, received) = download.bytes();
                let file =
                    download.finish()?.map_or_else(|| "-".to_owned(), |file| file.display().to_string());
                break GotView { name: get.name.clone(), file, bytes, received, digest, peer, path };
            }
            // Whoever read the bytes has had enough of them.
            Err(Fault::ReaderGone) => return Ok(0),
            Err(Fault::Holder(error) | Fault::Here(error)) => error,
        };
        let replaceable = download.may_be_replaced();
        download.give_up(&error, &candidates);
        if !matches!(error, ClientError::Changed(_)) || !replaceable || !std::mem::take(&mut once_more) {
            return Err(error);
        }
        note(&format!("{error}; asking for the new one"));
        candidates = match news(client, get, &candidates, timeout).await? {
            Some(changed) => changed,
            None => return Err(error),
        };
    };
    match target {
        Some(_) => output.show(&got, show)?,
        None => note(&show(&got)),
    }
    Ok(0)
}

/// The places to fetch it from.
async fn candidates(client: &Client, get: &Get) -> Result<Vec<Candidate>, ClientError> {
    let sources = somebody(&client.find(&get.name).await?, &get.name)?;
    choose(sources, get.from.as_deref(), get.digest.as_ref())
}

/// Waits until the index knows of the change, and of the new digest if that comes in time; `None` where it
/// goes on to promise the same as before.
async fn news(
    client: &Client,
    get: &Get,
    before: &[Candidate],
    within: Duration,
) -> Result<Option<Vec<Candidate>>, ClientError> {
    let content =
        |places: &[Candidate]| places.first().map(|place| (place.digest, place.size, place.modified_ms));
    let until = Instant::now() + within;
    loop {
        tokio::time::sleep(PAUSE.min(within)).await;
        let now = candidates(client, get).await?;
        let changed = content(&now) != content(before);
        let hashed = now.first().is_some_and(|place| place.digest.is_some());
        match Instant::now() >= until {
            _ if changed && hashed => return Ok(Some(now)),
            true => return Ok(changed.then_some(now)),
            false => {}
        }
    }
}

/// What to say if there is nothing to do.
fn there_already(get: &Get, target: &Path, candidates: &[Candidate]) -> Option<GotView> {
    let Candidate { size, digest, .. } = candidates.first()?;
    let holds = part::holds(target, *size, digest.as_ref()?);
    holds.then(|| {
        part::remove_parts(target);
        GotView {
            name: get.name.clone(),
            file: target.display().to_string(),
            bytes: *size,
            received: 0,
            digest: digest.as_ref().and_then(|digest| digest_text(digest)),
            peer: None,
            path: None,
        }
    })
}

fn show(got: &GotView) -> String {
    let (file, bytes) = (safe(&got.file), size(got.bytes));
    match (&got.peer, &got.digest) {
        (None, digest) => {
            format!("{file}: {bytes}, already there; verified, {}\n", digest.as_deref().unwrap_or("-"))
        }
        (Some(peer), Some(digest)) => format!("{file}: {bytes} from {}; verified, {digest}\n", safe(peer)),
        (Some(peer), None) => {
            format!(
                "{file}: {bytes} from {0}; not verified: {0} has not computed its digest yet\n",
                safe(peer)
            )
        }
    }
}

/// Where to; `None` is standard output. Nothing that a peer says goes into a path.
fn target(get: &Get) -> Result<Option<PathBuf>, ClientError> {
    let named = || {
        let plain = !matches!(get.name.as_str(), "" | "." | "..") && !get.name.contains(['/', '\\']);
        match plain && !get.name.chars().any(char::is_control) {
            true => Ok(PathBuf::from(&get.name)),
            false => Err(ClientError::Usage(format!(
                "{:?} is not used as the name of a file here; say with -o where to put it",
                get.name
            ))),
        }
    };
    match &get.to {
        None => named().map(Some),
        Some(to) if to == Path::new("-") => Ok(None),
        Some(to) if to.is_dir() => Ok(Some(to.join(named()?))),
        Some(to) => Ok(Some(to.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &str, to: Option<&str>) -> Get {
        Get { name: name.to_owned(), to: to.map(PathBuf::from), from: None, digest: None }
    }

    #[test]
    fn only_harmless_names_become_files() {
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\nb", "\u{1b}[2J"] {
            assert!(matches!(target(&get(name, None)), Err(ClientError::Usage(_))), "{name:?} was taken");
            assert!(target(&get(name, Some("there"))).is_ok());
        }
        assert_eq!(target(&get("a b.txt", None)).expect("a name"), Some(PathBuf::from("a b.txt")));
        assert_eq!(target(&get("a", Some("-"))).expect("standard output"), None);
        let folder = tempfile::tempdir().expect("a folder");
        let into = target(&get("a", folder.path().to_str())).expect("a folder");
        assert_eq!(into, Some(folder.path().join("a")));
    }
}
