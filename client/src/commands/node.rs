//! `node`: the state of one peer.

use chord_client::views::{NodeView, PeerView};
use chord_client::{Client, ClientError};

use crate::args::Of;
use crate::commands::publish;
use crate::output::{Output, short_id, table};

/// Shows the peer.
pub async fn run(client: &Client, output: &Output, of: &Of) -> Result<u8, ClientError> {
    let node = client.node_of(of.of.as_deref().unwrap_or_default()).await?;
    output.show(&NodeView::from(node), show)?;
    Ok(0)
}

fn show(node: &NodeView) -> String {
    let mut rows = Vec::new();
    let mut row = |title: &str, value: String| rows.push(vec![title.to_owned(), value]);
    row("id", node.id.clone());
    row("ring", node.ring.clone());
    row("state", node.state.clone());
    if let Some(trouble) = &node.trouble {
        row("trouble", trouble.clone());
    }
    row("chord", node.addresses.chord.clone());
    row("catalog", node.addresses.catalog.clone());
    row("transfer", node.addresses.transfer.clone());
    row("gateway", node.addresses.gateway.clone());
    row("predecessor", node.predecessor.as_ref().map_or_else(|| "none".to_owned(), peer));
    for (index, successor) in node.successors.iter().enumerate() {
        row(if index == 0 { "successors" } else { "" }, peer(successor));
    }
    row("entries", format!("{} its own, {} copies", node.entries.owned, node.entries.replicas));
    row("files", format!("{} shared, {} keys not yet published", node.shared_files, node.unpublished));
    if let Some(publishing) = &node.publishing {
        row("published", publish::progress(publishing));
    }
    row("sent", format!("{} entries of its own since its start", node.entries_sent));
    row("version", format!("{}, incarnation {}", node.version, node.incarnation));
    table(&[(&node.name, false), ("", false)], rows)
}

fn peer(peer: &PeerView) -> String {
    format!("{} ({}, {})", peer.name, short_id(&peer.id), peer.chord)
}
