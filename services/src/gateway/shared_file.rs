//! `GET`, `HEAD /files/{path}`: a file that this peer itself shares. The bytes come from its transfer service,
//! which alone opens files.

use http::Method;
use warp::reply::Response;

use super::conditional::{Plan, State};
use super::problem::{Kind, Problem};
use super::request::Request;
use super::{Gateway, pump, reply};
use chord_client::ClientError;

/// Bytes of the file at `path`, all or the range asked for.
pub async fn get(gateway: &Gateway, request: &Request, path: String) -> Result<Response, Problem> {
    let header = gateway.upstream.stat(path.clone()).await?;
    let state = State { size: header.size, modified_ms: header.modified_ms, digest: header.digest.to_vec() };
    let wanted = match state.plan(&request.method, &request.headers) {
        Plan::NotModified => return Ok(reply::not_modified(&state)),
        Plan::Send(wanted) => wanted,
    };
    let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
    let (head, offset, length) = reply::file(&state, name, wanted, false)?;
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
