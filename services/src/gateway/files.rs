//! `GET /api/v1/files` and `/api/v1/files/{name}`: the network's index.

use chord_client::views::{FileView, FilesPage};
use chordial_proto::chord_v1::{FindResponse, ListNamesRequest};
use warp::reply::Response;

use super::problem::{Kind, Problem};
use super::request::Query;
use super::{Gateway, reply};

/// A page of all names.
pub async fn list(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let request = ListNamesRequest {
        limit: query.limit()?,
        cursor: query.get("cursor").unwrap_or_default().to_owned(),
    };
    reply::json(&FilesPage::from(gateway.upstream.list_names(request).await?))
}

/// Who holds the file of exactly this name.
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
