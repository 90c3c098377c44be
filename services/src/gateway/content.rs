//! `GET /api/v1/files/{name}/content`: the bytes of a file of the network, fetched straight from a holder.

use std::time::Duration;

use bytes::Bytes;
use chord_client::choice::{self, Content, DigestPrefix, Unclear};
use chord_client::views::{SourceView, digest_text};
use chord_client::{Address, ByteStream, ClientError, Holder};
use chordial_proto::chord_v1::{Entry, Source};
use chordial_proto::transfer_v1::FileHeader;
use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use warp::reply::Response;

use super::conditional::{Plan, State};
use super::problem::{Kind, Problem};
use super::request::{Query, Request};
use super::{Gateway, files, pump, reply};

/// How long one holder may take to give its first byte, before the next one is asked.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The bytes of the file of this name, all or the range asked for; `peer` and `digest` choose where several
/// peers have different ones.
pub async fn get(
    gateway: &Gateway,
    request: &Request,
    query: &Query,
    name: String,
) -> Result<Response, Problem> {
    let until = Instant::now() + gateway.limits.request_timeout.mul_f64(0.9);
    let found = files::find(gateway, name.clone()).await?;
    let mut sources = chosen(found.sources, query, &name)?;
    let Some(state) = sources.first().map(|source| state(entry(source))) else {
        return Err(Problem::new(Kind::FileNotFound, format!("No source of {name:?} is known.")));
    };
    let wanted = match state.plan(&request.method, &request.headers) {
        Plan::NotModified => return Ok(reply::not_modified(&state)),
        Plan::Send(wanted) => wanted,
    };
    let (head, offset, length) = reply::file(&state, &name, wanted, true)?;
    if request.method == Method::HEAD || length == 0 {
        return Ok(head);
    }
    // Those that were given up are only asked once all others have failed.
    sources.sort_by_key(|source| !source.alive);
    let mut failures = Vec::new();
    for source in &sources {
        let within = ATTEMPT.min(until.saturating_duration_since(Instant::now()));
        let attempt = open(source, offset, length, within, gateway.limits.stall);
        let failure = match tokio::time::timeout(within, attempt).await {
            Ok(Ok((first, rest))) => return Ok(pump::fill(head, Some(first), rest, gateway.metrics.clone())),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it gave no byte in time".to_owned(),
        };
        failures.push(format!("{}: {failure}", publisher(source)));
    }
    let detail = format!("No holder of {name:?} gave it ({}). Ask again in a moment.", failures.join("; "));
    Err(Problem::new(Kind::HolderFailed, detail))
}

/// The first bytes, so that a holder which fails before them can still be replaced, and what follows.
async fn open(
    source: &Source,
    offset: u64,
    length: u64,
    within: Duration,
    stall: Duration,
) -> Result<(Bytes, ByteStream), ClientError> {
    let services = source.services.as_ref();
    let address: Address = services.map_or("", |services| services.transfer.as_str()).parse()?;
    let holder = Holder::new(address.connect(within).await?, address.to_string(), stall);
    let (header, mut bytes) = holder.open(&entry(source).path, offset, length).await?;
    if !same_content(&header, entry(source)) {
        return Err(ClientError::Integrity(format!(
            "at {address} the file has changed since it was published"
        )));
    }
    match bytes.next().await {
        Some(first) => Ok((first?, bytes)),
        None => Err(ClientError::Integrity(format!("{address} sent no bytes"))),
    }
}

/// Whether the holder's file is still the one that it published. Until it has computed the digest anew, a file
/// that was changed is known by its time alone.
fn same_content(header: &FileHeader, entry: &Entry) -> bool {
    let known = !header.digest.is_empty() && !entry.digest.is_empty();
    let same = if known { header.digest == entry.digest } else { header.modified_ms == entry.modified_ms };
    header.size == entry.size && same
}

/// The sources of the one content that the query means.
fn chosen(sources: Vec<Source>, query: &Query, name: &str) -> Result<Vec<Source>, Problem> {
    let (peer, digest) = (query.get("peer"), query.get("digest"));
    let prefix: Option<DigestPrefix> = digest
        .map(|digest| digest.parse())
        .transpose()
        .map_err(|error: ClientError| Problem::new(Kind::BadQuery, format!("{error}.")))?;
    let not_found = |what: String| Problem::new(Kind::FileNotFound, what);
    match choice::choose(sources, peer, prefix.as_ref()) {
        Ok(content) => Ok(content.sources),
        Err(Unclear::NoSuchPeer) => {
            Err(not_found(format!("The peer {:?} shares no file named {name:?}.", peer.unwrap_or_default())))
        }
        Err(Unclear::NoSuchDigest) => Err(not_found(format!(
            "No peer that was asked for shares a file named {name:?} with this digest."
        ))),
        Err(Unclear::Several(contents)) => Err(several(name, contents)),
    }
}

fn several(name: &str, contents: Vec<Content>) -> Problem {
    let detail = format!(
        "{name:?} has {} different contents. Choose one with ?digest=… or its holder with ?peer=….",
        contents.len()
    );
    let choice = |content: Content| {
        let sources: Vec<SourceView> = content.sources.into_iter().map(SourceView::from).collect();
        json!({ "digest": digest_text(&content.digest), "size": content.size, "sources": sources })
    };
    let choices: Vec<Value> = contents.into_iter().map(choice).collect();
    Problem::new(Kind::SeveralContents, detail).member("choices", Value::Array(choices))
}

fn state(entry: &Entry) -> State {
    State { size: entry.size, modified_ms: entry.modified_ms, digest: entry.digest.clone() }
}

fn entry(source: &Source) -> &Entry {
    static NONE: Entry = Entry {
        kind: 0,
        key: Vec::new(),
        name: String::new(),
        path: String::new(),
        size: 0,
        modified_ms: 0,
        digest: Vec::new(),
    };
    source.entry.as_ref().unwrap_or(&NONE)
}

fn publisher(source: &Source) -> &str {
    source.publisher.as_ref().map_or("a peer without a name", |peer| peer.name.as_str())
}
