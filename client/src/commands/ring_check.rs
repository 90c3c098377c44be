//! `ring check`: do the peers' views agree?

use std::time::Duration;

use chord_client::views::{ProblemView, RingView};
use chord_client::{Client, ClientError};

use crate::commands::ring;
use crate::output::Output;

/// Between the two looks at a ring that shows problems: longer than a healthy ring takes to settle one change.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Shows every disagreement; exit code 1 if there is any.
pub async fn run(client: &Client, output: &Output) -> Result<u8, ClientError> {
    let mut view = look(client).await?;
    if !view.agreed {
        // A snapshot of many peers is not atomic: a change in the middle of it looks like a disagreement. Only
        // what is there a second later, too, is one.
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let before = std::mem::replace(&mut view, look(client).await?);
        // A ring that does not agree without saying why is believed, too.
        if !view.problems.is_empty() {
            let same = |a: &ProblemView, b: &ProblemView| a.peer == b.peer && a.what == b.what;
            view.problems.retain(|problem| before.problems.iter().any(|earlier| same(earlier, problem)));
            view.agreed = view.problems.is_empty();
        }
    }
    output.show(&view, |view| format!("{}{}", ring::problems(&view.problems), ring::summary(view)))?;
    Ok(u8::from(!view.agreed))
}

async fn look(client: &Client) -> Result<RingView, ClientError> {
    let mut view = RingView::from(client.ring().await?);
    view.agreed &= view.problems.is_empty();
    Ok(view)
}
