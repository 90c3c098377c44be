//! `GET /api/v1/published` and `/api/v1/published/{name}`: how far this peer's files are published.

use chord_client::views::PublishedView;
use warp::reply::Response;

use super::problem::Problem;
use super::{Gateway, reply};

/// How far this peer's files are published
///
/// All of them together; `receipts` is empty.
#[utoipa::path(get, path = "/api/v1/published", operation_id = "getPublished", tag = "files",
    responses((status = 200, description = "All of them together.", body = PublishedView)))]
pub async fn all(gateway: &Gateway) -> Result<Response, Problem> {
    of(gateway, String::new()).await
}

/// Who keeps the entry of one of this peer's files
///
/// All files together, and the receipts of those of this name.
#[utoipa::path(get, path = "/api/v1/published/{name}", operation_id = "getReceipts", tag = "files",
    params(("name" = String, Path, description = "A base name, percent-encoded.", min_length = 1,
        max_length = 255, example = "report.pdf")),
    responses(
        (status = 200, description = "With the receipts.", body = PublishedView),
        (status = 404, description = "`file-not-found`: this peer shares no file of this name.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub async fn get(gateway: &Gateway, name: String) -> Result<Response, Problem> {
    of(gateway, name).await
}

async fn of(gateway: &Gateway, name: String) -> Result<Response, Problem> {
    reply::json(&PublishedView::from(gateway.upstream.published(name).await?))
}
