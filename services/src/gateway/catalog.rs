//! `GET /api/v1/catalog`: the files that one peer shares.

use chord_client::views::CatalogView;
use chordial_proto::chord_v1::ListFilesRequest;
use warp::reply::Response;

use super::problem::Problem;
use super::request::Query;
use super::{Gateway, paging, reply};

/// What one peer shares
///
/// A page of this peer's files, or of those of the peer that the query names, in order of their paths.
#[utoipa::path(get, path = "/api/v1/catalog", operation_id = "getCatalog", tag = "files",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "How long a page may be; 100 where it does not say."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before; none: the first page."),
        ("peer" = Option<String>, Query, description = "Another peer, which this one asks: its name or identifier."),
    ),
    responses(
        (status = 200, description = "The page.", body = CatalogView,
        headers(("Link" = String, description = "The first page, as `rel=\"first\"`, and the next one, as `rel=\"next\"`, unless this is the last."))),
        (status = 404, description = "`peer-not-found`: nobody of this name is known.", body = Problem,
            content_type = "application/problem+json"),
        (status = 502, description = "`service-failed`: that peer's listing can't be had.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub async fn get(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let text = |key| query.get(key).unwrap_or_default().to_owned();
    let request = ListFilesRequest { peer: text("peer"), limit: query.limit()?, cursor: text("cursor") };
    let page = CatalogView::from(gateway.upstream.list_files(request).await?);
    let mut response = reply::json(&page)?;
    paging::link(&mut response, "catalog", query, page.next.as_deref());
    Ok(response)
}
