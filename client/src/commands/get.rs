//! `get`: a file straight from a holder, verified, from another holder of the same bytes if one fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chord_client::views::{GotView, digest_text};
use chord_client::{Client, ClientError};
use tokio::time::Instant;

use crate::args::{Args, Get};
use crate::candidate::{Candidate, choose};
use crate::commands::{get_many, somebody};
use crate::download::{Download, Fault};
use crate::output::{Output, note, safe, size};
use crate::part;
use crate::progress::Progress;

/// Between two questions to an index that does not know of a change yet.
const PAUSE: Duration = Duration::from_millis(300);

/// Finds, chooses and downloads.
pub async fn run(client: &Client, output: &Output, get: &Get, args: &Args) -> Result<u8, ClientError> {
    let [name] = get.names.as_slice() else {
        return get_many::run(client, output, get, args).await;
    };
    let Some(got) = fetch(client, get, name, args, &|| Progress::new("downloading")).await? else {
        return Ok(0);
    };
    match got.file.as_str() {
        "-" => note(&show(&got)),
        _ => output.show(&got, show)?,
    }
    Ok(0)
}

/// Has the file of this name at its place, and each download shown by what `progress` makes. `None`: whoever read
/// the bytes has had enough of them.
///
/// # Errors
/// As [`choose`] and [`Download::try_all`].
pub async fn fetch(
    client: &Client,
    get: &Get,
    name: &str,
    args: &Args,
    progress: &dyn Fn() -> Progress,
) -> Result<Option<GotView>, ClientError> {
    let target = target(get, name)?;
    let mut candidates = candidates(client, get, name).await?;
    if let Some(folder) = get.to.as_deref().filter(|to| is_new_folder(to)) {
        std::fs::create_dir_all(folder).map_err(|error| {
            ClientError::Failed(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
    }
    let mut once_more = true;
    loop {
        if let Some(got) = target.as_deref().and_then(|target| there_already(name, target, &candidates)) {
            return Ok(Some(got));
        }
        let mut download = Download::open(target.as_deref(), &candidates, progress())?;
        let error = match download.try_all(&candidates, &args.service_hosts, args.timeout).await {
            Ok((holder, digest)) => {
                let (peer, path) = (Some(holder.peer.clone()), Some(holder.path.clone()));
                let (bytes, received) = download.bytes();
                let file =
                    download.finish()?.map_or_else(|| "-".to_owned(), |file| file.display().to_string());
                return Ok(Some(GotView {
                    name: name.to_owned(),
                    file,
                    bytes,
                    received,
                    digest,
                    peer,
                    path,
                }));
            }
            Err(Fault::ReaderGone) => return Ok(None),
            Err(Fault::Holder(error) | Fault::Here(error)) => error,
        };
        let replaceable = download.may_be_replaced();
        download.give_up(&error, &candidates);
        if !matches!(error, ClientError::Changed(_)) || !replaceable || !std::mem::take(&mut once_more) {
            return Err(error);
        }
        progress().say(&format!("{error}; asking for the new one"));
        candidates = match news(client, get, name, &candidates, args.timeout).await? {
            Some(changed) => changed,
            None => return Err(error),
        };
    }
}

/// The places to fetch it from.
async fn candidates(client: &Client, get: &Get, name: &str) -> Result<Vec<Candidate>, ClientError> {
    let sources = somebody(&client.find(name).await?, name)?;
    choose(sources, get.from.as_deref(), get.digest.as_ref())
}

/// Waits until the index knows of the change, and of the new digest if that comes in time; `None` where it
/// goes on to promise the same as before.
async fn news(
    client: &Client,
    get: &Get,
    name: &str,
    before: &[Candidate],
    within: Duration,
) -> Result<Option<Vec<Candidate>>, ClientError> {
    let content =
        |places: &[Candidate]| places.first().map(|place| (place.digest, place.size, place.modified_ms));
    let until = Instant::now() + within;
    loop {
        tokio::time::sleep(PAUSE.min(within)).await;
        let now = candidates(client, get, name).await?;
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
fn there_already(name: &str, target: &Path, candidates: &[Candidate]) -> Option<GotView> {
    let Candidate { size, digest, .. } = candidates.first()?;
    let holds = part::holds(target, *size, digest.as_ref()?);
    holds.then(|| {
        part::remove_parts(target);
        GotView {
            name: name.to_owned(),
            file: target.display().to_string(),
            bytes: *size,
            received: 0,
            digest: digest.as_ref().and_then(|digest| digest_text(digest)),
            peer: None,
            path: None,
        }
    })
}

/// The line for people.
pub fn show(got: &GotView) -> String {
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

/// Where to; `None` is standard output. Nothing that a peer says goes into a path unless it is a plain name.
fn target(get: &Get, name: &str) -> Result<Option<PathBuf>, ClientError> {
    let named = || {
        let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\']);
        match plain && !name.contains(acts) {
            true => Ok(PathBuf::from(name)),
            false => Err(ClientError::Usage(format!(
                "{name:?} is not used as the name of a file here; get it alone, and say with -o where to put it"
            ))),
        }
    };
    match get.to.as_deref() {
        None => named().map(Some),
        Some(to) if to == Path::new("-") => Ok(None),
        Some(to) if to.is_dir() || is_new_folder(to) => Ok(Some(to.join(named()?))),
        Some(to) => Ok(Some(to.to_owned())),
    }
}

/// Whether people mean a folder by this, that may have to be made.
pub fn is_new_folder(to: &Path) -> bool {
    to.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Whether a character of a file's name would move a cursor, end a line, or turn round what stands beside it, in
/// every listing of the folder.
fn acts(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Command, Question};

    fn to(name: &str, to: Option<&str>) -> Result<Option<PathBuf>, ClientError> {
        let arguments = ["chord-cli", "get"].into_iter().chain(to.iter().flat_map(|to| ["-o", to]));
        let args = Args::try_parse_from(arguments.chain(["--", name])).expect("a command line");
        let Command::Ask(Question::Get(get)) = args.command else { panic!("another command") };
        target(&get, name)
    }

    #[test]
    fn only_harmless_names_become_files() {
        for name in
            ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\nb", "\u{1b}[2J", "cod\u{202e}fdp.exe"]
        {
            assert!(matches!(to(name, None), Err(ClientError::Usage(_))), "{name:?} was taken");
            assert!(to(name, Some("there")).is_ok());
        }
        for name in ["a b.txt", "تقرير\u{200f}.pdf", "👨\u{200d}👩\u{200d}👧.png", "-rf", "$(x)"] {
            assert_eq!(to(name, None).expect(name), Some(PathBuf::from(name)));
        }
        assert_eq!(to("a", Some("-")).expect("standard output"), None);
        let folder = tempfile::tempdir().expect("a folder");
        let into = to("a", folder.path().to_str()).expect("a folder");
        assert_eq!(into, Some(folder.path().join("a")));
        let new = format!("{}/new/", folder.path().display());
        assert_eq!(to("a", Some(&new)).expect("a new folder"), Some(folder.path().join("new/a")));
    }
}
