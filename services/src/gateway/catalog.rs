//! `GET /api/v1/catalog`: the files that one peer shares.

use chord_client::views::CatalogView;
use chordial_proto::chord_v1::ListFilesRequest;
use warp::reply::Response;

use super::problem::Problem;
use super::request::Query;
use super::{Gateway, reply};

/// A page of this peer's files, or of those of the peer that the query names.
pub async fn get(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let text = |key| query.get(key).unwrap_or_default().to_owned();
    let request = ListFilesRequest { peer: text("peer"), limit: query.limit()?, cursor: text("cursor") };
    reply::json(&CatalogView::from(gateway.upstream.list_files(request).await?))
}
