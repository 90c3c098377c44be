//! `GET /api/v1/node` and `/api/v1/ring`: this peer, and all peers as seen from here.

use chord_client::views::{NodeView, RingView};
use warp::reply::Response;

use super::problem::Problem;
use super::request::Query;
use super::{Gateway, reply};

/// This peer, or another one
///
/// Its state, addresses, neighbours and fingers, and what it keeps.
#[utoipa::path(get, path = "/api/v1/node", operation_id = "getNode", tag = "ring",
    params(("peer" = Option<String>, Query, description = "Another peer, which this one asks: its name or identifier.")),
    responses(
        (status = 200, description = "The peer's state.", body = NodeView),
        (status = 404, description = "`peer-not-found`: nobody of this name answers.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub async fn get(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let peer = query.get("peer").unwrap_or_default().to_owned();
    reply::json(&NodeView::from(gateway.upstream.node_of(peer).await?))
}

/// All peers, as seen from here
///
/// Every peer that can be reached is asked for its own view; what only it can say is null where it does not
/// answer. `problems` has each disagreement, and what will mend it.
#[utoipa::path(get, path = "/api/v1/ring", operation_id = "getRing", tag = "ring",
    responses((status = 200, description = "The ring.", body = RingView)))]
pub async fn ring(gateway: &Gateway) -> Result<Response, Problem> {
    reply::json(&RingView::from(gateway.upstream.ring().await?))
}
