//! `GET /api/v1/files/{name}/content`: the bytes of a file of the network, fetched straight from a holder.

use std::time::Duration;

use bytes::Bytes;
use chord_client::choice::{self, Content, DigestPrefix, Unclear};
use chord_client::views::{SourceView, digest_text};
use chord_client::{Address, ByteStream, Client, ClientError, Holder};
use chordial_proto::chord_v1::{Entry, Source};
use chordial_proto::transfer_v1::FileHeader;
use futures::StreamExt;
use http::Method;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use utoipa::ToSchema;
use warp::reply::Response;

use super::conditional::{Plan, State};
use super::openapi::{Conditions, FileBytes};
use super::problem::{Kind, Problem};
use super::request::{Query, Request};
use super::{Gateway, files, pump, reply};

/// How long one holder may take to give its first byte, before the next one is asked.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The bytes of a file
///
/// Fetched by this peer from a holder, all or the range asked for; `peer` and `digest` choose where several
/// peers have different ones. Always as an attachment. Programs better download from a source's `url`.
#[utoipa::path(get, path = "/api/v1/files/{name}/content", operation_id = "getContent", tag = "files",
    params(
        ("name" = String, Path, description = "A base name, percent-encoded.", min_length = 1,
            max_length = 255, example = "report.pdf"),
        ("peer" = Option<String>, Query, description = "The holder that is meant: its name or identifier."),
        ("digest" = Option<String>, Query, pattern = "^((blake3:)?[0-9a-fA-F]{4,64})?$",
            description = "The content that is meant: its digest, or at least the first 4 digits."),
        Conditions,
    ),
    responses(
        FileBytes,
        (status = 300, description = "`several-contents`: `choices` has them; choose one by `peer` or `digest`.",
            body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`file-not-found`: nobody shares a file of this name, or what was chosen.",
            body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "`holder-failed`: no holder gave the file.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub async fn get(
    gateway: &Gateway,
    request: &Request,
    query: &Query,
    name: String,
) -> Result<Response, Problem> {
    let until = Instant::now() + gateway.limits.request_timeout.mul_f64(0.9);
    let found = files::find(gateway, name).await?;
    // In its composed form, which the one asked for need not have.
    let name = found.name;
    let mut sources = chosen(found.sources, query, &name)?;
    let Some(state) = sources.first().map(|source| state(entry(source))) else {
        return Err(Problem::new(Kind::FileNotFound, format!("No source of {name:?} is known.")));
    };
    let wanted = match state.plan(&request.method, &request.headers) {
        Plan::PreconditionFailed => return Err(reply::changed_since()),
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
        let attempt = open(gateway, source, offset, length, within);
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
    gateway: &Gateway,
    source: &Source,
    offset: u64,
    length: u64,
    within: Duration,
) -> Result<(Bytes, ByteStream), ClientError> {
    let address = transfer_of(gateway, source, within).await?;
    let channel = address.connect(within).await?;
    let holder = Holder::new(channel, address.to_string(), gateway.limits.stall);
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

/// The holder's transfer service. What the index says of it may come from anybody, so it has to be at the holder's
/// own host, and the peer that answers at the holder's chord address has to say the same.
async fn transfer_of(gateway: &Gateway, source: &Source, within: Duration) -> Result<Address, ClientError> {
    let holder = source.publisher.clone().unwrap_or_default();
    let published = source.services.as_ref().map_or("", |services| services.transfer.as_str());
    let address = gateway.service_hosts.address(&holder, "transfer", published)?;
    let chord: Address = holder.address.parse()?;
    let node = Client::connect(&chord, within).await?.node().await?;
    match node.services.is_some_and(|services| services.transfer == published) {
        true => Ok(address),
        false => Err(ClientError::Failed(format!(
            "the peer at {chord} does not say that its transfer service is at {address}"
        ))),
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
    let choices: Vec<Choice> = contents.into_iter().map(Choice::from).collect();
    Problem::new(Kind::SeveralContents, detail).member("choices", json!(choices))
}

/// One of several contents that a name has.
#[derive(Serialize, ToSchema)]
pub struct Choice {
    /// Null until a holder has computed it.
    #[schema(pattern = "^blake3:[0-9a-f]{64}$")]
    digest: Option<String>,
    /// Bytes.
    size: u64,
    /// Who has it.
    sources: Vec<SourceView>,
}

impl From<Content> for Choice {
    fn from(content: Content) -> Self {
        Self {
            digest: digest_text(&content.digest),
            size: content.size,
            sources: content.sources.into_iter().map(SourceView::from).collect(),
        }
    }
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
        text: String::new(),
    };
    source.entry.as_ref().unwrap_or(&NONE)
}

fn publisher(source: &Source) -> &str {
    source.publisher.as_ref().map_or("a peer without a name", |peer| peer.name.as_str())
}
