//! `GET /assets/{path}`: what the dashboard is made of, embedded in the program. A debug build reads the files from
//! `services/web/` at run time instead.

use rust_embed::Embed;
use warp::reply::Response;

use super::media::media_type;
use super::openapi::Lasting;
use super::problem::{Kind, Problem};
use super::reply;

/// The files of `services/web/`.
#[derive(Embed)]
#[folder = "web/"]
struct Web;

/// A file of the page
///
/// Its scripts, styles and icon. They ask for nothing at other addresses. A query is ignored.
#[utoipa::path(get, path = "/assets/{path}", operation_id = "getAsset", tag = "operation",
    params(
        ("path" = String, Path, description = "As the page names it.", min_length = 1, example = "style.css"),
        Lasting,
    ),
    responses(
        (status = 200, description = "The file. The media type is its own, by its name.",
            content((String = "*/*")), headers(("ETag" = String, description = "Changes with the file."))),
        (status = 404, description = "`unknown-path`: the page has no such file.", body = Problem,
            content_type = "application/problem+json"),
        Lasting,
    ))]
pub fn get(path: &str) -> Result<Response, Problem> {
    let file = text(path).ok_or_else(|| {
        Problem::new(Kind::UnknownPath, "The dashboard has no such file. It is at /, in text alone at /text.")
    })?;
    Ok(reply::lasting(media_type(path), file))
}

/// The text of the file at `path` below `services/web/`; `None` where there is none.
pub fn text(path: &str) -> Option<String> {
    // The list has no path with `..`, which a debug build would follow.
    Web::iter().find(|known| known == path)?;
    String::from_utf8(Web::get(path)?.data.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_page_is_text_of_less_than_150_kilobytes() {
        let sizes = Web::iter().map(|path| {
            let text = text(&path).unwrap_or_else(|| panic!("{path} is no text"));
            assert_ne!(media_type(&path), media_type("unknown"), "{path} has no media type");
            text.len()
        });
        let sum: usize = sizes.sum();
        assert!((10_000..150_000).contains(&sum), "{sum} bytes");
    }

    #[test]
    fn only_files_of_the_page_are_given() {
        assert!(get("style.css").is_ok() && get("vendor/preact-htm.js").is_ok());
        for path in ["", ".", "..", "../Cargo.toml", "vendor/../../Cargo.toml", "vendor", "/etc/passwd"] {
            assert_eq!(get(path).unwrap_err().kind(), Kind::UnknownPath, "{path:?}");
        }
    }

    #[test]
    fn the_page_names_no_outside_address_and_nothing_inline() {
        for path in Web::iter().filter(|path| !path.starts_with("vendor/")) {
            let text = text(&path).unwrap();
            let outside = text.replace("http://www.w3.org/", "").replace("'http://', ''", "");
            assert!(!outside.contains("http://") && !outside.contains("https://"), "{path}");
            if path.ends_with(".html") {
                assert!(
                    !text.contains("style=") && !text.contains("<style") && !text.contains(" on"),
                    "{path}"
                );
                assert_eq!(text.matches("<script").count(), text.matches("src=\"assets").count(), "{path}");
            }
        }
    }
}
