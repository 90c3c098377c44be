//! `GET /api/v1/lookup`: which peer is responsible for a name or a key, and why each peer on the way was asked.

use chord::Id;
use chord_client::views::LookupView;
use chordial_proto::chord_v1::find_successor_request::Target;
use warp::reply::Response;

use super::problem::{Kind, Problem};
use super::request::Query;
use super::{Gateway, reply};

/// Which peer is responsible
///
/// For a file's name or for a key, one of the two. The path has every peer that was asked, with the rule that chose it.
#[utoipa::path(get, path = "/api/v1/lookup", operation_id = "getLookup", tag = "ring",
    params(
        ("name" = Option<String>, Query, description = "A file's base name; whether there is such a file does not matter.",
            example = "report.pdf"),
        ("key" = Option<String>, Query, pattern = "^[0-9a-fA-F]{40}$", description = "A place on the ring: 40 hexadecimal digits."),
    ),
    responses((status = 200, description = "The peer, and the way to it.", body = LookupView)))]
pub async fn get(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let target = match (query.get("name"), query.get("key")) {
        (Some(name), None) => Target::Name(name.to_owned()),
        (None, Some(key)) => Target::Key(digits(key)?),
        (Some(_), Some(_)) => return Err(bad("The query has a name and a key; give one of the two.")),
        (None, None) => {
            return Err(bad(
                "The query says nothing to look up; give name=, or key= with 40 hexadecimal digits.",
            ));
        }
    };
    reply::json(&LookupView::from(gateway.upstream.find_successor(target).await?))
}

fn digits(key: &str) -> Result<Vec<u8>, Problem> {
    let key: Id = key.parse().map_err(|error| bad(&format!("key: {error}.")))?;
    Ok(key.to_bytes().to_vec())
}

fn bad(detail: &str) -> Problem {
    Problem::new(Kind::BadQuery, detail)
}
