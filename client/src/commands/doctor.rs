//! `doctor`: what keeps a peer from working well, and what to do about it.

use std::time::{Duration, SystemTime};

use chord_client::views::{CheckView, DiagnosisView, Findings, FromHere, Outcome, Unreached};
use chord_client::{Address, Client, ClientError, clock, explain, reach};
use chordial_proto::chord_v1::{Clock, DiagnoseResponse, NodeInfo, Reach, ReachState};
use tokio::time::Instant;

use crate::args::Args;
use crate::output::paint::{Colour, paint};
use crate::output::{Output, count, safe};

/// A peer diagnoses itself once a second.
const PAUSE: Duration = Duration::from_millis(1_100);
/// How often a peer that is busy with another diagnosis is asked.
const ATTEMPTS: u32 = 4;
/// The longest wait for a plain connection, however patient the caller is.
const DIAL: Duration = Duration::from_secs(3);

/// Shows what was found. Exit code 1 where something is a problem (`strict`: or a warning), 3 where no peer answers.
pub async fn run(args: &Args, output: &Output, strict: bool) -> Result<u8, ClientError> {
    let asked = match Client::connect(&args.peer, args.timeout).await {
        Ok(client) => match node_and_clock(&client).await {
            Ok((node, clock)) => Ok((client, node, clock)),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let (view, code) = match asked {
        Ok((client, node, clock)) => {
            let findings = find(args, &client, node, clock).await;
            let view = DiagnosisView::new(args.peer.to_string(), &findings);
            let bad = view.count(Outcome::Problem) + if strict { view.count(Outcome::Warning) } else { 0 };
            (view, u8::from(bad > 0))
        }
        Err(error) => {
            let unreached = look(args, error).await;
            (DiagnosisView::unreachable(args.peer.to_string(), &unreached), 3)
        }
    };
    output.show(&view, show)?;
    Ok(code)
}

/// The peer's state, and its clock against this machine's.
async fn node_and_clock(client: &Client) -> Result<(NodeInfo, Option<Clock>), ClientError> {
    let (began, here) = (Instant::now(), SystemTime::now());
    let (node, there) = client.node_and_clock().await?;
    Ok((node, clock::compared(there, here, began.elapsed())))
}

async fn find(args: &Args, client: &Client, node: NodeInfo, clock: Option<Clock>) -> Findings {
    let dial = args.timeout.min(DIAL);
    let (facts, neighbors, chord, transfer) = tokio::join!(
        diagnose(client),
        client.neighbors(),
        advertised(&node, dial),
        transfer(args, &node, dial)
    );
    Findings {
        facts: facts.map_err(|error| match error {
            ClientError::WrongService { .. } => "its program is older and cannot be asked that".to_owned(),
            error => error.to_string(),
        }),
        neighbors: neighbors.map(|ring| ring.problems).map_err(|error| error.to_string()),
        here: FromHere { clock, chord, transfer },
        node,
    }
}

/// As soon as the peer is free for it.
async fn diagnose(client: &Client) -> Result<DiagnoseResponse, ClientError> {
    let mut attempts = 1;
    loop {
        match client.diagnose().await {
            Err(ClientError::Busy(_)) if attempts < ATTEMPTS => attempts += 1,
            answer => return answer,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the same peer answers from here at its advertised chord address.
async fn advertised(node: &NodeInfo, within: Duration) -> Reach {
    let own = node.peer.clone().unwrap_or_default();
    if let Err(unreached) = reach::open(&own.address, within).await {
        return unreached;
    }
    let Ok(address) = own.address.parse::<Address>() else {
        return reach::of(ReachState::Other, "that is no address");
    };
    let ask = async { Client::connect(&address, within).await?.node().await };
    match ask.await {
        Ok(found) if found.peer.as_ref().is_some_and(|peer| peer.id == own.id) => {
            reach::of(ReachState::Reached, "")
        }
        Ok(_) => reach::of(ReachState::Other, "another peer answers there"),
        Err(error) => reach::of(ReachState::Other, error.to_string()),
    }
}

/// Whether its transfer service takes connections from here; dialled at the peer's own host only, as for `get`.
async fn transfer(args: &Args, node: &NodeInfo, within: Duration) -> Result<Reach, String> {
    let (peer, services) = (node.peer.clone().unwrap_or_default(), node.services.clone().unwrap_or_default());
    let address = args.service_hosts.address(&peer, "transfer", &services.transfer);
    let address = address.map_err(|error| error.to_string())?;
    Ok(match reach::open(&address.authority(), within).await {
        Ok(_) => reach::of(ReachState::Reached, ""),
        Err(unreached) => unreached,
    })
}

/// What can be seen from here of an address at which no peer answers.
async fn look(args: &Args, error: ClientError) -> Unreached {
    let (authority, within) = (args.peer.authority(), args.timeout.min(DIAL));
    let addresses = reach::addresses(&authority, within).await;
    let connection = match reach::open(&authority, within).await {
        Ok(_) => reach::of(ReachState::Reached, ""),
        Err(unreached) => unreached,
    };
    Unreached {
        addresses: addresses.map(|found| found.iter().map(|address| address.ip().to_string()).collect()),
        connection,
        error: explain(error, &args.peer, args.timeout).await.to_string(),
    }
}

fn show(view: &DiagnosisView) -> String {
    let mut text = match &view.peer {
        Some(name) => format!("{} at {}\n", safe(name), view.address),
        None => format!("no peer answers at {}\n", view.address),
    };
    let (mut area, name) = ("", |check: &CheckView| safe(&check.name));
    let width = view.checks.iter().map(|check| name(check).chars().count()).max().unwrap_or_default();
    for check in &view.checks {
        if check.area != area {
            area = &check.area;
            text.push_str(&format!("\n{area}\n"));
        }
        let found = safe(&check.found);
        text.push_str(&format!("  {}  {:<width$}  {found}\n", mark(check.outcome), name(check)));
        if let Some(remedy) = &check.remedy {
            text.push_str(&format!("      {}\n      -> {}\n", safe(&check.why), safe(remedy)));
        }
    }
    let counted = [
        (Outcome::Ok, "ok"),
        (Outcome::Warning, "warnings"),
        (Outcome::Problem, "problems"),
        (Outcome::Unknown, "not known"),
    ];
    let counted = counted.into_iter().map(|(outcome, word)| (view.count(outcome), word));
    let counted: Vec<String> =
        counted.filter(|(number, _)| *number > 0).map(|(number, word)| format!("{word} {number}")).collect();
    text + &format!("\n{}: {}\n", count(view.checks.len() as u64, "check"), counted.join(", "))
}

fn mark(outcome: Outcome) -> String {
    let (mark, colour) = match outcome {
        Outcome::Ok => ("✓ ok", Colour::Green),
        Outcome::Warning => ("! warning", Colour::Yellow),
        Outcome::Problem => ("✗ problem", Colour::Red),
        Outcome::Unknown => ("? not known", Colour::Blue),
    };
    paint(&format!("{mark:<11}"), Some(colour))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_a_line_for_each_check_and_what_to_do() {
        let check = |area: &str, name: &str, outcome, remedy: Option<&str>| CheckView {
            name: name.to_owned(),
            area: area.to_owned(),
            outcome,
            found: "found\u{1b}[2J\nit".to_owned(),
            why: "It matters.".to_owned(),
            remedy: remedy.map(str::to_owned),
        };
        let view = DiagnosisView {
            address: "http://p1:7300".to_owned(),
            peer: Some("p1".to_owned()),
            checks: vec![
                check("clock", "a", Outcome::Ok, None),
                check("ring", "longer", Outcome::Problem, Some("do it")),
                check("ring", "b", Outcome::Unknown, Some("ask")),
            ],
        };
        let text = show(&view);
        assert_eq!(
            text,
            "p1 at http://p1:7300\n\nclock\n  ✓ ok         a       found\\u{1b}[2J\\nit\n\nring\n  ✗ problem    longer  \
             found\\u{1b}[2J\\nit\n      It matters.\n      -> do it\n  ? not known  b       found\\u{1b}[2J\\nit\n      \
             It matters.\n      -> ask\n\n3 checks: ok 1, problems 1, not known 1\n"
        );
    }
}
