//! `GET /`: a plain page with the peer's name and links to what it serves.

use std::time::Duration;

use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use warp::reply::Response;

use super::problem::Problem;
use super::{Gateway, reply};

/// How long the page waits for the ring.
const PATIENCE: Duration = Duration::from_secs(3);

const LINKS: &[(&str, &str)] = &[
    ("/api/v1/ring", "all peers of the ring"),
    ("/api/v1/node", "this peer"),
    ("/api/v1/files", "all files of the network"),
    ("/api/v1/catalog", "the files that this peer shares"),
    ("/metrics", "metrics"),
    ("/version", "version"),
];

/// The page; it comes even where the ring does not answer.
pub async fn get(gateway: &Gateway) -> Result<Response, Problem> {
    let ring = match tokio::time::timeout(PATIENCE, gateway.upstream.ring()).await {
        Ok(Ok(ring)) => format!("Peers in the ring, as seen from here: {}.", ring.peers.len()),
        Ok(Err(problem)) => problem.detail().to_owned(),
        Err(_) => "The ring did not answer in time.".to_owned(),
    };
    let links: String = LINKS
        .iter()
        .map(|(path, what)| format!("<li><a href=\"{path}\">{path}</a>: {what}</li>\n"))
        .collect();
    let (name, ring) = (escaped(&gateway.peer_name), escaped(&ring));
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}: Chordial</title>\n\
         <h1>{name}</h1>\n<p>A peer of a Chordial network. {ring}</p>\n<ul>\n{links}</ul>\n</html>\n"
    );
    let mut response = reply::text("text/html; charset=utf-8", page);
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_name_is_never_markup() {
        assert_eq!(escaped("<b a=\"'&"), "&lt;b a=&quot;&#39;&amp;");
    }
}
