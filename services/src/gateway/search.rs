//! `GET /api/v1/search`: the names that match a query.

use chord_client::views::SearchPage;
use chordial_proto::chord_v1::SearchRequest;
use warp::reply::Response;

use super::problem::{Kind, Problem};
use super::request::Query;
use super::{Gateway, paging, reply};

/// Names that match a query
///
/// A page of them, best first. No hits are an answer, too.
#[utoipa::path(get, path = "/api/v1/search", operation_id = "getSearch", tag = "search",
    params(
        ("q" = String, Query, min_length = 1, description = QUERY, example = "report"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "How long a page may be; 20 where it does not say."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before; none: the first page."),
    ),
    responses((status = 200, description = "The page.", body = SearchPage,
        headers(("Link" = String, description = "The first page, as `rel=\"first\"`, and the next one, as `rel=\"next\"`, unless this is the last.")))))]
pub async fn get(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let text = wanted(query)?;
    let cursor = query.get("cursor").unwrap_or_default().to_owned();
    let request = SearchRequest { query: text.to_owned(), limit: query.limit()?, cursor };
    let page = SearchPage::new(text, gateway.upstream.search(request).await?);
    let mut response = reply::json(&page)?;
    paging::link(&mut response, "search", query, page.next.as_deref());
    Ok(response)
}

/// What `q` is, in the OpenAPI document.
pub const QUERY: &str = "What people type into a search box: words, `\"phrases\"`, `-word`, `*` and `?`, `ext:`, \
    `size:`, `newer:`, `older:`, `peer:`. One that makes no sense is a `bad-query` that says why.";

/// What is searched for.
///
/// # Errors
/// [`Kind::BadQuery`] where there is nothing.
pub fn wanted(query: &Query) -> Result<&str, Problem> {
    query.get("q").filter(|text| !text.trim().is_empty()).ok_or_else(|| {
        Problem::new(
            Kind::BadQuery,
            "The query has nothing to search for; give words of a file's name: ?q=report.",
        )
    })
}
