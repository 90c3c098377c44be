//! `GET /openapi.json`: the whole interface as an OpenAPI 3.1 document, made from the handlers' attributes and
//! from the types of their bodies. What all operations have in common is added in `shared`.

mod parts;
mod shared;

use std::sync::LazyLock;

use utoipa::OpenApi;
use warp::reply::Response;

use super::problem::{Kind, Problem};
use super::{
    assets, catalog, config, content, events, files, health, lookup, node, page, plain, published, reply,
    search, search_events, shared_file, upload,
};

use shared::Shared;

pub use parts::{Conditions, FileBody, FileBytes, Lasting};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chordial",
        description = "A file index with no server: each peer of the network answers for all of it, and serves this \
            same interface. Errors are problems as RFC 9457 has them, from a fixed list of types. Members may be \
            added to any body: ignore what you do not know.",
        contact(name = "The people of Chordial"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This peer.")),
    security(()),
    tags(
        (name = "files", description = "Who has which file, and its bytes."),
        (name = "search", description = "Files by the words of their names."),
        (name = "ring", description = "Peers, and how they stand to each other."),
        (name = "operation", description = "For those who run a peer.")
    ),
    paths(
        page::get, plain::get, assets::get, health::livez, health::readyz, health::metrics, health::version, get,
        node::get, node::ring, lookup::get, config::get, catalog::get, files::list, files::get, content::get, search::get,
        search_events::get, events::get, published::all, published::get, shared_file::get, upload::put
    ),
    modifiers(&Shared)
)]
struct Document;

/// The document as JSON.
static DOCUMENT: LazyLock<Result<String, String>> =
    LazyLock::new(|| Document::openapi().to_json().map_err(|error| error.to_string()));

/// This interface
///
/// As an OpenAPI 3.1 document. A query is ignored.
#[utoipa::path(get, path = "/openapi.json", operation_id = "getOpenApi", tag = "operation",
    params(Lasting),
    responses(
        (status = 200, description = "The document.", body = parts::AnyObject, content_type = "application/json",
            headers(("ETag" = String, description = "Changes with the document."))),
        Lasting,
    ))]
pub fn get() -> Result<Response, Problem> {
    let document = DOCUMENT.as_ref().map_err(|error| {
        Problem::new(Kind::Internal, format!("The OpenAPI document could not be written: {error}."))
    })?;
    Ok(reply::lasting(reply::JSON, document.clone()))
}
