//! `GET /api/v1/node` and `/api/v1/ring`: this peer, and all peers as seen from here.

use chord_client::views::{NodeView, RingView};
use warp::reply::Response;

use super::problem::Problem;
use super::{Gateway, reply};

/// This peer.
pub async fn get(gateway: &Gateway) -> Result<Response, Problem> {
    reply::json(&NodeView::from(gateway.upstream.node().await?))
}

/// All peers.
pub async fn ring(gateway: &Gateway) -> Result<Response, Problem> {
    reply::json(&RingView::from(gateway.upstream.ring().await?))
}
