//! `GET /livez`, `/readyz`, `/metrics`, `/version`: what those who run a peer ask it.

use std::time::Duration;

use chordial_proto::chord_v1::NodeState;
use serde_json::json;
use warp::reply::Response;

use super::metrics::PeerState;
use super::problem::{Kind, Problem};
use super::{Gateway, reply};

/// How long a collector waits for the peer's state.
const PATIENCE: Duration = Duration::from_secs(1);

const PLAIN: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process lives.
pub fn livez() -> Result<Response, Problem> {
    Ok(reply::text(PLAIN, "ok\n".to_owned()))
}

/// The peer is a member of its ring; 503 with the reason where it is not.
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

/// What Prometheus collects.
pub async fn metrics(gateway: &Gateway) -> Result<Response, Problem> {
    // Counting goes on while the chord service is away: then only its own numbers are missing.
    let node = tokio::time::timeout(PATIENCE, gateway.upstream.node()).await.ok().and_then(Result::ok);
    let [near, whole] = match &node {
        Some(node) if node.state() == NodeState::Member => gateway.standing.look(&gateway.upstream).await,
        _ => [None, None],
    };
    let peer = PeerState { node: node.as_ref(), near: near.as_deref(), ring: whole.as_deref() };
    let body = gateway.metrics.text(&peer).map_err(|error| {
        Problem::new(Kind::Internal, format!("The metrics could not be written: {error}."))
    })?;
    Ok(reply::text(OPEN_METRICS, body))
}

/// This build.
pub fn version() -> Result<Response, Problem> {
    reply::json(&json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
    }))
}
