//! Where a listing goes on: `Link` headers (RFC 8288). The targets are relative to the listing itself, so they hold
//! behind whatever prefix a proxy puts before it.

use http::HeaderValue;
use http::header::LINK;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use warp::reply::Response;

use super::request::Query;

/// All but what is never of meaning in a query.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Links a page of the listing `name`, the last segment of its path, to the first one and to the one at the cursor
/// `next`, with the other keys of the query as they are.
pub fn link(response: &mut Response, name: &str, query: &Query, next: Option<&str>) {
    let mut links = vec![format!("<{}>; rel=\"first\"", target(name, query, None))];
    links.extend(next.map(|next| format!("<{}>; rel=\"next\"", target(name, query, Some(next)))));
    if let Ok(value) = HeaderValue::try_from(links.join(", ")) {
        response.headers_mut().insert(LINK, value);
    }
}

fn target(name: &str, query: &Query, cursor: Option<&str>) -> String {
    let kept = query.pairs().filter(|(key, _)| *key != "cursor");
    let pairs: Vec<String> = kept
        .chain(cursor.map(|cursor| ("cursor", cursor)))
        .map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, VALUE)))
        .collect();
    if pairs.is_empty() { name.to_owned() } else { format!("{name}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_query_and_escape_it() {
        let query = Query::parse("q=a+b%26\"é>&cursor=old&limit=7").unwrap();
        let mut response = Response::default();
        link(&mut response, "search", &query, Some("x+/=\"\n"));
        let kept = "search?q=a%20b%26%22%C3%A9%3E&limit=7";
        let expected = format!("<{kept}>; rel=\"first\", <{kept}&cursor=x%2B%2F%3D%22%0A>; rel=\"next\"");
        assert_eq!(response.headers()[LINK], expected);
        link(&mut response, "files", &Query::parse("").unwrap(), None);
        assert_eq!(response.headers()[LINK], "<files>; rel=\"first\"");
    }
}
