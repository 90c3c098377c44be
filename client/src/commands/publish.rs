//! `publish`: how far the peer's own files are published, and the receipts of one.

use std::time::Duration;

use chord_client::views::{PublishedView, PublishingView};
use chord_client::{Client, ClientError};
use indicatif::ProgressBar;
use tokio::time::Instant;

use crate::args::Publish;
use crate::output::{Column, Output, count, safe, table};

/// A file that has just been written is known to its peer by then.
const NOTICED: Duration = Duration::from_secs(5);

/// Between two questions: the first time, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

const RECEIPTS: [Column<'_>; 3] = [("NAME", false), ("KEEPERS", false), ("PENDING", false)];

/// Shows how far it is; with `--wait`, once all keepers have it.
pub async fn run(client: &Client, output: &Output, publish: &Publish) -> Result<u8, ClientError> {
    let name = publish.name.as_deref().unwrap_or("");
    if !publish.wait {
        output.show(&PublishedView::from(client.published(name).await?), show)?;
        return Ok(0);
    }
    let published = wait(client, name, publish.within).await?;
    output.show(&published, show)?;
    match is_done(&published) {
        true => Ok(0),
        false => Err(ClientError::Late(format!(
            "not all keepers have acknowledged it within {}{}; it goes on without this command",
            humantime::format_duration(publish.within),
            refusal(&published.publishing)
        ))),
    }
}

/// Asks until it is done or the time is over.
async fn wait(client: &Client, name: &str, within: Duration) -> Result<PublishedView, ClientError> {
    let started = Instant::now();
    let mut pause = PAUSES.0;
    // Shows nothing where standard error is no terminal.
    let bar = ProgressBar::new_spinner();
    loop {
        match client.published(name).await.map(PublishedView::from) {
            Ok(published) if is_done(&published) || started.elapsed() >= within => {
                bar.finish_and_clear();
                return Ok(published);
            }
            Ok(published) => bar.set_message(waiting(&published)),
            // It may have been written a moment ago, or the peer is busy with it.
            Err(ClientError::NotFound(_)) if started.elapsed() < NOTICED.min(within) => {
                bar.set_message("waiting for the peer to notice the file");
            }
            Err(ClientError::Busy(_)) if started.elapsed() < within => bar.set_message("the peer is busy"),
            Err(error) => {
                bar.finish_and_clear();
                return Err(error);
            }
        }
        bar.tick();
        tokio::time::sleep(pause.min(within.saturating_sub(started.elapsed()))).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Of one name, where there are receipts; else of all files.
fn is_done(published: &PublishedView) -> bool {
    match published.receipts.as_slice() {
        [] => published.publishing.acknowledged >= published.publishing.keys,
        receipts => receipts.iter().all(|receipt| receipt.is_complete()),
    }
}

fn waiting(published: &PublishedView) -> String {
    let pending: Vec<&str> =
        published.receipts.iter().flat_map(|receipt| &receipt.pending).map(String::as_str).collect();
    match (published.receipts.is_empty(), pending.as_slice()) {
        (true, _) => safe(&progress(&published.publishing)),
        (false, []) => "looking for its keepers".to_owned(),
        (false, pending) => format!("waiting for {}", safe(&pending.join(", "))),
    }
}

/// How far all files are published, in a few words.
pub fn progress(publishing: &PublishingView) -> String {
    let PublishingView { files, keys, acknowledged, .. } = publishing;
    let mut text = format!(
        "{acknowledged} of {} of {} acknowledged by all keepers",
        count(*keys, "key"),
        count(*files, "file")
    );
    text.push_str(&refusal(publishing));
    if publishing.late_seconds > 0 {
        text.push_str(&format!("; renewals are {} s behind", publishing.late_seconds));
    }
    text
}

fn refusal(publishing: &PublishingView) -> String {
    match publishing.refusing.as_slice() {
        [] => String::new(),
        refusing => format!("; its share is used up at {}", refusing.join(", ")),
    }
}

fn show(published: &PublishedView) -> String {
    let mut text = String::new();
    if !published.receipts.is_empty() {
        let list = |names: &[String], nobody: &str| match names {
            [] => nobody.to_owned(),
            names => names.join(", "),
        };
        let rows = published.receipts.iter().map(|receipt| {
            let unknown = if receipt.keepers.is_empty() { "nobody knows yet who keeps it" } else { "-" };
            vec![receipt.name.clone(), list(&receipt.keepers, "-"), list(&receipt.pending, unknown)]
        });
        text.push_str(&table(&RECEIPTS, rows));
        text.push_str("\n\n");
    }
    text.push_str(&format!("{}\n", safe(&progress(&published.publishing))));
    text
}

#[cfg(test)]
mod tests {
    use chord_client::views::ReceiptView;

    use super::*;

    /// Keepers, and those that are pending.
    type Names<'a> = (&'a [&'a str], &'a [&'a str]);

    fn published(receipts: &[Names]) -> PublishedView {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let receipt = |(keepers, pending): &Names| ReceiptView {
            name: "a".to_owned(),
            keepers: names(keepers),
            pending: names(pending),
        };
        PublishedView {
            publishing: PublishingView { files: 1, keys: 2, acknowledged: 1, ..PublishingView::default() },
            receipts: receipts.iter().map(receipt).collect(),
        }
    }

    #[test]
    fn a_file_is_published_when_all_its_keepers_have_it() {
        assert!(is_done(&published(&[(&["p1"], &[])])), "what else there is does not matter");
        let short: [&[Names]; 4] =
            [&[], &[(&["p1"], &["p2"])], &[(&[], &[])], &[(&["p1"], &[]), (&[], &["p2"])]];
        for receipts in short {
            assert!(!is_done(&published(receipts)), "{receipts:?}");
        }
        let mut all = published(&[]);
        all.publishing.acknowledged = 2;
        assert!(is_done(&all));
    }

    #[test]
    fn what_holds_it_up_is_said() {
        let mut publishing = published(&[]).publishing;
        assert_eq!(progress(&publishing), "1 of 2 keys of 1 file acknowledged by all keepers");
        publishing.refusing = vec!["p3".to_owned()];
        publishing.late_seconds = 12;
        let text = progress(&publishing);
        assert!(text.contains("used up at p3") && text.contains("12 s behind"), "{text}");
        assert_eq!(waiting(&published(&[(&["p1"], &["p2", "p4"])])), "waiting for p2, p4");
        assert!(show(&published(&[(&[], &[])])).contains("nobody knows yet"));
    }
}
