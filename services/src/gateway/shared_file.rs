//! `GET`, `HEAD /files/{path}`: a file that this peer itself shares. The bytes come from its transfer service,
//! which alone opens files.

use http::Method;
use warp::reply::Response;

use super::conditional::{Plan, State};
use super::openapi::{Conditions, FileBytes};
use super::problem::{Kind, Problem};
use super::request::{Query, Request};
use super::{Gateway, pump, reply};
use chord_client::ClientError;

/// What `path` is, in the OpenAPI document.
pub const PATH: &str = "Relative to the shared directory. Its segments are percent-encoded one by one, and the slashes \
    between them written as they are: this parameter is a whole path, which OpenAPI has no way to say.";

/// The bytes of a file that this peer shares
///
/// The address that sources carry. All of the file, or the range asked for. Files that a browser could run come
/// as attachments. One that changes while it is sent ends the connection before the announced length.
#[utoipa::path(get, path = "/files/{path}", operation_id = "getSharedFile", tag = "files",
    params(
        ("path" = String, Path, description = PATH, min_length = 1, example = "report.pdf"),
        ("save" = Option<String>, Query, description = "Whatever it is: as an attachment, for a browser to save."),
        Conditions,
    ),
    responses(
        FileBytes,
        (status = 404, description = "`file-not-found`: this peer shares no file at this path.", body = Problem,
            content_type = "application/problem+json"),
        (status = 502, description = "`service-failed`: the transfer service failed.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub async fn get(
    gateway: &Gateway,
    request: &Request,
    query: &Query,
    path: String,
) -> Result<Response, Problem> {
    let header = gateway.upstream.stat(path.clone()).await?;
    let state = State { size: header.size, modified_ms: header.modified_ms, digest: header.digest.to_vec() };
    let wanted = match state.plan(&request.method, &request.headers) {
        Plan::PreconditionFailed => return Err(reply::changed_since()),
        Plan::NotModified => return Ok(reply::not_modified(&state)),
        Plan::Send(wanted) => wanted,
    };
    let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
    let (head, offset, length) = reply::file(&state, name, wanted, query.has("save"))?;
    // A length of 0 would mean all.
    if request.method == Method::HEAD || length == 0 {
        return Ok(head);
    }
    let holder = gateway.upstream.own_files(gateway.limits.stall);
    let (opened, bytes) = holder.open(&path, offset, length).await.map_err(|error| failure(&error))?;
    // What the head says must be true of the bytes.
    let now = State { size: opened.size, modified_ms: opened.modified_ms, digest: state.digest.clone() };
    let same_digest = opened.digest.is_empty() || state.digest.is_empty() || opened.digest == state.digest;
    if now != state || !same_digest {
        return Err(changed());
    }
    Ok(pump::fill(head, None, bytes, gateway.metrics.clone()))
}

fn failure(error: &ClientError) -> Problem {
    match error {
        ClientError::NotFound(_) => {
            Problem::new(Kind::FileNotFound, "This peer shares no file at this path.")
        }
        ClientError::Busy(why) => Problem::new(Kind::TooManyRequests, format!("{why}.")).retry_after(1),
        ClientError::Usage(_) | ClientError::Integrity(_) | ClientError::Changed(_) => changed(),
        ClientError::TimedOut { .. } => Problem::new(Kind::Timeout, format!("{error}; ask again.")),
        ClientError::Unreachable { .. } => {
            Problem::new(Kind::Unavailable, format!("{error}.")).retry_after(2)
        }
        _ => Problem::new(Kind::ServiceFailed, format!("{error}.")),
    }
}

fn changed() -> Problem {
    Problem::new(Kind::Unavailable, "The file is just being changed; ask again.").retry_after(1)
}
