//! `GET /api/v1/files` and `/api/v1/files/{name}`: the network's index.

use chord_client::views::{FileView, FilesPage};
use chordial_proto::chord_v1::{FindResponse, ListNamesRequest};
use warp::reply::Response;

use super::problem::{Kind, Problem};
use super::request::Query;
use super::{Gateway, paging, reply};

/// All names of the network
///
/// A page of them, in ring order of their keys, with who holds each.
#[utoipa::path(get, path = "/api/v1/files", operation_id = "getFiles", tag = "files",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "How long a page may be; 100 where it does not say."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before; none: the first page."),
    ),
    responses((status = 200, description = "The page.", body = FilesPage,
        headers(("Link" = String, description = "The first page, as `rel=\"first\"`, and the next one, as `rel=\"next\"`, unless this is the last.")))))]
pub async fn list(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let request = ListNamesRequest {
        limit: query.limit()?,
        cursor: query.get("cursor").unwrap_or_default().to_owned(),
    };
    let page = FilesPage::from(gateway.upstream.list_names(request).await?);
    let mut response = reply::json(&page)?;
    paging::link(&mut response, "files", query, page.next.as_deref());
    Ok(response)
}

/// Who holds a file
///
/// The sources of the file of exactly this name. Those of the same bytes stand together, those that most living
/// peers have first, those without a digest last.
#[utoipa::path(get, path = "/api/v1/files/{name}", operation_id = "getFile", tag = "files",
    params(("name" = String, Path, description = "A base name, percent-encoded.", min_length = 1,
        max_length = 255, example = "report.pdf")),
    responses(
        (status = 200, description = "Its sources.", body = FileView),
        (status = 404, description = "`file-not-found`: nobody shares a file of this name.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub async fn get(gateway: &Gateway, name: String) -> Result<Response, Problem> {
    reply::json(&FileView::from(find(gateway, name).await?))
}

/// An answer with at least one source.
///
/// # Errors
/// [`Kind::FileNotFound`] where nobody has the file; [`Kind::Timeout`] where nobody who answered has it, but
/// not all who might know did.
pub async fn find(gateway: &Gateway, name: String) -> Result<FindResponse, Problem> {
    let found = gateway.upstream.find(name.clone()).await?;
    match (found.sources.is_empty(), found.complete) {
        (false, _) => Ok(found),
        (true, true) => Err(Problem::new(
            Kind::FileNotFound,
            format!("No peer of this network shares a file named {name:?}."),
        )),
        (true, false) => {
            let failed = found.route.unwrap_or_default().failed;
            let silent: Vec<String> = failed.into_iter().map(|peer| peer.name).collect();
            let who = match silent.as_slice() {
                [] => "some peer that may know it".to_owned(),
                silent => silent.join(", "),
            };
            let detail = format!(
                "No peer that answered knows a file named {name:?}, but not all did: {who} gave no answer in \
                 time. Ask again in a moment."
            );
            Err(Problem::new(Kind::Timeout, detail))
        }
    }
}
