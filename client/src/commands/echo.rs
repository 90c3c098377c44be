//! `echo`: the dummy services, which say what a transfer would move and move nothing.

use std::path::Path;

use chord_client::views::EchoView;
use chord_client::{Client, ClientError, Holder};

use crate::args::Args;
use crate::commands::somebody;
use crate::output::{Output, safe, size};

/// Asks a living holder of the file.
pub async fn download(client: &Client, output: &Output, name: &str, args: &Args) -> Result<u8, ClientError> {
    let mut sources = somebody(&client.find(name).await?, name)?;
    sources.sort_by_key(|source| !source.alive);
    let holder = sources.swap_remove(0);
    let (peer, services) = (holder.publisher.unwrap_or_default(), holder.services.unwrap_or_default());
    let address = args.service_hosts.address(&peer, "transfer", &services.transfer)?;
    let answer = Holder::connect(&address, args.timeout).await?.echo_download(name).await?;
    let view =
        EchoView { message: answer.message, name: answer.name, peer: answer.peer, bytes: answer.bytes };
    output.show(&view, show)?;
    Ok(0)
}

/// Asks the peer itself; of the file only its name and size are looked at.
pub async fn upload(client: &Client, output: &Output, file: &Path, args: &Args) -> Result<u8, ClientError> {
    let metadata = std::fs::metadata(file)
        .map_err(|error| ClientError::Failed(format!("cannot read {}: {error}", file.display())))?;
    let name = file.file_name().filter(|_| metadata.is_file()).and_then(|name| name.to_str());
    let name = name.ok_or_else(|| {
        ClientError::Usage(format!("{} is not a file with a name in UTF-8", file.display()))
    })?;
    let node = client.node().await?;
    let (peer, services) = (node.peer.unwrap_or_default(), node.services.unwrap_or_default());
    let address = args.service_hosts.address(&peer, "transfer", &services.transfer)?;
    let answer = Holder::connect(&address, args.timeout).await?.echo_upload(name, metadata.len()).await?;
    let view =
        EchoView { message: answer.message, name: answer.name, peer: answer.peer, bytes: answer.bytes };
    output.show(&view, show)?;
    Ok(0)
}

fn show(view: &EchoView) -> String {
    let moved = size(view.bytes);
    format!("{}: {} ({}, {moved})\n", safe(&view.peer), safe(&view.message), safe(&view.name))
}
