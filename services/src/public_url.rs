//! The gateway's base URL as callers outside of the peers' own network are told it: as configured, or as a file of the
//! machine says, which is read again and again, for a machine may get another address while its peer runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{PublicUrl, base_url};

/// Between two looks at the file.
const EVERY: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 2000 });
/// No URL is longer, in bytes.
const LONGEST: u64 = 4096;

/// What callers are told from now on; `own`, the gateway's advertised address, where nothing else is said.
pub async fn start(
    configured: Option<&PublicUrl>,
    own: String,
    cancel: CancellationToken,
) -> watch::Receiver<String> {
    let path = match configured {
        None => return watch::channel(own).1,
        Some(PublicUrl::Url(url)) => return watch::channel(url.clone()).1,
        Some(PublicUrl::File(path)) => path.clone(),
    };
    let said = read(&path).await;
    tell(&path, &said, &own);
    let (url, told) = watch::channel(said.clone().unwrap_or_else(|_| own.clone()));
    tokio::spawn(follow(path, said, own, url, cancel));
    told
}

async fn follow(
    path: PathBuf,
    mut said: Result<String, String>,
    own: String,
    url: watch::Sender<String>,
    cancel: CancellationToken,
) {
    while cancel.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let now = read(&path).await;
        if now != said {
            tell(&path, &now, &own);
            url.send_replace(now.clone().unwrap_or_else(|_| own.clone()));
            said = now;
        }
    }
}

/// The URL that a file says, or why it says none.
async fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
    file.take(LONGEST).read_to_string(&mut text).await.map_err(|error| error.to_string())?;
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text => base_url(text),
    }
}

fn tell(path: &Path, said: &Result<String, String>, own: &str) {
    let path = path.display();
    match said {
        Ok(url) => tracing::info!("callers are told {url}, as {path} says"),
        Err(why) => tracing::warn!(
            "gateway.public_url: {path}: {why}; callers are told {own} until a URL stands there, such as \
             \"http://203.0.113.7:8000\""
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "http://10.0.0.1:8000";

    async fn becomes(told: &mut watch::Receiver<String>, wanted: &str) {
        let seen =
            tokio::time::timeout(Duration::from_secs(30), told.wait_for(|url| url == wanted)).await.is_ok();
        assert!(seen, "{wanted} is not told; {} is", *told.borrow());
    }

    #[tokio::test]
    async fn a_file_is_followed_and_a_missing_one_is_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("public_url");
        let cancel = CancellationToken::new();
        let configured = PublicUrl::File(path.clone());
        let mut told = start(Some(&configured), OWN.to_owned(), cancel.clone()).await;
        becomes(&mut told, OWN).await;
        for (text, wanted) in [
            ("http://203.0.113.7:8000\n", "http://203.0.113.7:8000"),
            ("http://203.0.113.8:8000/", "http://203.0.113.8:8000"),
            ("", OWN),
            ("https://files.example.org", "https://files.example.org"),
            ("rubbish", OWN),
        ] {
            std::fs::write(&path, text).unwrap();
            becomes(&mut told, wanted).await;
        }
        cancel.cancel();
    }

    #[tokio::test]
    async fn without_a_file_nothing_changes() {
        let cancel = CancellationToken::new();
        let fixed = PublicUrl::Url("https://x.org".to_owned());
        assert_eq!(*start(Some(&fixed), OWN.to_owned(), cancel.clone()).await.borrow(), "https://x.org");
        assert_eq!(*start(None, OWN.to_owned(), cancel).await.borrow(), OWN);
    }
}
