//! `GET /`: the dashboard. The page itself is `services/web/index.html` with the peer's name in it; all else that it
//! shows, its scripts ask for.

use chord_client::text::shown;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use warp::reply::Response;

use super::openapi::Lasting;
use super::problem::{Kind, Problem};
use super::{Gateway, assets, reply, security};

/// Its media type.
pub const HTML: &str = "text/html; charset=utf-8";

/// What stands for the peer's name in the page.
const NAME: &str = "{{peer}}";

/// The dashboard
///
/// For people, with a browser that runs scripts; without, there is `/text`. It comes even where the ring does not answer.
/// A query is ignored.
#[utoipa::path(get, path = "/", operation_id = "getPage", tag = "operation",
    params(Lasting),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html",
            headers(("ETag" = String, description = "Changes with the page."))),
        Lasting,
    ))]
pub fn get(gateway: &Gateway) -> Result<Response, Problem> {
    let page = assets::text("index.html")
        .ok_or_else(|| Problem::new(Kind::Internal, "The page is not part of this build; use /text."))?;
    Ok(as_page(reply::lasting(HTML, page.replace(NAME, &escaped(&gateway.peer_name)))))
}

/// `response`, allowed what the gateway's own pages are.
pub fn as_page(mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(security::PAGE));
    response
}

/// `text` as a page shows it: never as markup, with every character that would act or hide written out.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in shown(text).chars() {
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
        assert_eq!(escaped("a\u{202e}<"), "a\\u{202e}&lt;");
    }
}
