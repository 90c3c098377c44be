//! `GET /livez`, `/readyz`, `/metrics`, `/version`: what those who run a peer ask it.

use chordial_proto::chord_v1::NodeState;
use http::HeaderMap;
use http::header::ACCEPT;
use serde::Serialize;
use utoipa::ToSchema;
use warp::reply::Response;

use super::openapi::Lasting;
use super::problem::{Kind, Problem};
use super::{Gateway, reply};
use crate::metrics::Form;

/// The media type of `/livez` and `/readyz`.
pub const PLAIN: &str = "text/plain; charset=utf-8";

/// The process lives
///
/// `ok`, whatever the ring does. A query is ignored.
#[utoipa::path(get, path = "/livez", operation_id = "getLivez", tag = "operation",
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain",
        example = "ok\n")))]
pub fn livez() -> Result<Response, Problem> {
    Ok(reply::text(PLAIN, "ok\n".to_owned()))
}

/// The peer is a member of its ring
///
/// `ready`, or 503 with the reason why it is not. A query is ignored.
#[utoipa::path(get, path = "/readyz", operation_id = "getReadyz", tag = "operation",
    responses((status = 200, description = "It is.", body = String, content_type = "text/plain",
        example = "ready\n")))]
pub async fn readyz(gateway: &Gateway) -> Result<Response, Problem> {
    let node = gateway.upstream.node().await?;
    let why = match node.state() {
        NodeState::Member => return Ok(reply::text(PLAIN, "ready\n".to_owned())),
        NodeState::Leaving => "This peer is leaving its ring.".to_owned(),
        _ if node.trouble.is_empty() => "This peer is still joining its ring.".to_owned(),
        _ => format!("This peer is still joining its ring: {}.", node.trouble.trim_end_matches('.')),
    };
    Err(Problem::new(Kind::NotMember, why).retry_after(2))
}

/// What Prometheus collects
///
/// In the OpenMetrics text format, or in Prometheus' own, as `Accept` prefers. A query is ignored.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "operation",
    responses((status = 200, description = "All metrics.",
        content((String = "text/plain"), (String = "application/openmetrics-text")))))]
pub async fn metrics(gateway: &Gateway, headers: &HeaderMap) -> Result<Response, Problem> {
    let families = gateway.collector.collect(&gateway.upstream, &gateway.standing).await;
    let families = families.map_err(|error| {
        Problem::new(Kind::Internal, format!("The metrics could not be written: {error}."))
    })?;
    let form = Form::preferred(headers.get_all(ACCEPT));
    Ok(reply::text(form.media_type(), families.write(form)))
}

/// A build of this program.
#[derive(Serialize, ToSchema)]
pub struct Version {
    /// The program.
    name: &'static str,
    /// Of the program.
    version: &'static str,
    /// The operating system that it was built for.
    os: &'static str,
    /// The processor that it was built for.
    arch: &'static str,
}

/// This build
///
/// The program, its version, and what it was built for. A query is ignored.
#[utoipa::path(get, path = "/version", operation_id = "getVersion", tag = "operation",
    params(Lasting),
    responses(
        (status = 200, description = "The build.", body = Version,
            headers(("ETag" = String, description = "Changes with the build."))),
        Lasting,
    ))]
pub fn version() -> Result<Response, Problem> {
    reply::lasting_json(&Version {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    })
}
