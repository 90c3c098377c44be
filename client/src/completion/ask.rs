//! Names from the peer, within a second, or none.

use std::time::Duration;

use chord_client::text::is_treacherous;
use chord_client::views::RingView;
use chord_client::{Address, Client, ClientError};

use crate::args::{PEER, PEER_VARIABLE};

/// Nobody waits longer for a completion.
const WITHIN: Duration = Duration::from_secs(1);

/// Nobody reads more.
const MOST: usize = 100;

/// Names asked for at once: some do not begin like what was typed.
const PAGE: u32 = 500;

/// What an argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Files of the whole network.
    Files,
    /// Files that the peer asked shares.
    OwnFiles,
    /// Peers.
    Peers,
}

/// The line so far.
#[derive(Debug, Clone)]
pub struct Line {
    peer: String,
    /// Behind `--` a name may begin with a dash.
    only_names: bool,
}

impl Line {
    /// The words of the line, without their quotes, the program first.
    pub fn new(words: Vec<String>) -> Self {
        let typed = words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix("--peer") {
            Some("") => words.get(index + 1).cloned(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        });
        let set = || std::env::var(PEER_VARIABLE).ok().filter(|peer| !peer.is_empty());
        let peer = typed.or_else(set).unwrap_or_else(|| PEER.to_owned());
        Self { peer, only_names: words.iter().any(|word| word == "--") }
    }

    /// At most 100 names of this kind that begin so, in order. None where the peer has no answer.
    pub fn names(&self, kind: Names, begun: &str) -> Vec<String> {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return Vec::new();
        };
        let asked = runtime.block_on(async { tokio::time::timeout(WITHIN, self.ask(kind, begun)).await });
        // A look-up of a host name may still run.
        runtime.shutdown_background();
        let names = asked.ok().and_then(Result::ok).unwrap_or_default();
        offered(names, begun, self.only_names)
    }

    async fn ask(&self, kind: Names, begun: &str) -> Result<Vec<String>, ClientError> {
        let address: Address = self.peer.parse()?;
        let client = Client::connect(&address, WITHIN).await?;
        Ok(match (kind, query(begun)) {
            (Names::Peers, _) => {
                RingView::from(client.ring().await?).peers.into_iter().map(|peer| peer.name).collect()
            }
            (Names::OwnFiles, _) => {
                client.list_files("", PAGE, "").await?.files.into_iter().map(|file| file.name).collect()
            }
            (Names::Files, None) => {
                client.list_names(PAGE, "").await?.files.into_iter().map(|file| file.name).collect()
            }
            (Names::Files, Some(query)) => {
                client.search(&query, PAGE, "").await?.hits.into_iter().map(|file| file.name).collect()
            }
        })
    }
}

/// What finds names that begin so, among others; none where only a listing does. The last word is unfinished if the
/// text ends in it.
fn query(begun: &str) -> Option<String> {
    let words = begun.replace(|character: char| !character.is_alphanumeric(), " ");
    (!words.trim().is_empty()).then(|| words.trim_start().to_owned())
}

/// Those that begin so and do no harm on a command line.
fn offered(mut names: Vec<String>, begun: &str, only_names: bool) -> Vec<String> {
    names.retain(|name| {
        name.starts_with(begun)
            && !name.is_empty()
            && !name.contains(is_treacherous)
            && (only_names || !name.starts_with('-'))
    });
    names.sort();
    names.dedup();
    names.truncate(MOST);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Line {
        Line::new(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn the_peer_of_the_line_is_asked() {
        assert_eq!(line(&["chord-cli", "--peer", "http://h:1", "get", ""]).peer, "http://h:1");
        assert_eq!(line(&["chord-cli", "get", "--peer=http://h:2", ""]).peer, "http://h:2");
        assert!(
            !line(&["chord-cli", "get", ""]).only_names && line(&["chord-cli", "get", "--", ""]).only_names
        );
    }

    #[test]
    fn what_does_harm_is_not_offered() {
        let names = ["report.pdf", "-rf", "rep\u{202e}fdp", "re\nport", "re port's", "Report", "report.pdf"];
        let offer = |begun: &str, only_names| {
            offered(names.iter().map(|&name| name.to_owned()).collect(), begun, only_names)
        };
        assert_eq!(offer("re", false), ["re port's", "report.pdf"]);
        assert_eq!(offer("", false), ["Report", "re port's", "report.pdf"]);
        assert_eq!(offer("-", true), ["-rf"]);
        let many = (0..500).map(|number| format!("{number}")).collect();
        assert_eq!(offered(many, "", false).len(), MOST);
    }

    #[test]
    fn what_was_typed_becomes_words() {
        assert_eq!(query("Annual_Re").as_deref(), Some("Annual Re"));
        assert_eq!(query("ext:pdf\" -a.").as_deref(), Some("ext pdf   a "));
        assert_eq!((query(""), query("_-")), (None, None));
    }
}
