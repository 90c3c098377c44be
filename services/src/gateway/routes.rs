//! The table of resources: which path is which, and what methods and query keys it has.

use http::Method;

use super::media::media_type;
use super::problem::{Kind, Problem};
use super::{health, page, reply};
use crate::metrics::Form;

/// The longest file name that the common file systems have, in bytes.
const MAX_NAME: usize = 255;

/// Every method that some resource has.
pub const ALL_METHODS: &str = "GET, HEAD, PUT, OPTIONS";

/// A resource, with what its path says. `HEAD` goes wherever `GET` does.
#[derive(Debug, PartialEq, Eq)]
// So that a test can count the variants.
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub enum Route {
    Page,
    Text,
    /// One of the files that the page is made of.
    Asset(String),
    Livez,
    Readyz,
    Metrics,
    Version,
    OpenApi,
    Node,
    Ring,
    Lookup,
    Config,
    Catalog,
    Files,
    File(String),
    Content(String),
    Search,
    SearchEvents,
    Events,
    Published,
    /// Of the files of this name.
    Receipt(String),
    /// Relative to the shared directory, with `/`.
    Shared(String),
}

impl Route {
    /// # Errors
    /// [`Kind::UnknownPath`], and [`Kind::FileNotFound`] for names and paths that no file can have.
    pub fn of(segments: &[String]) -> Result<Self, Problem> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        Ok(match segments.as_slice() {
            [""] => Self::Page,
            ["text"] => Self::Text,
            ["assets", path @ ..] if !path.iter().any(|segment| segment.contains('/')) => {
                Self::Asset(path.join("/"))
            }
            ["livez"] => Self::Livez,
            ["readyz"] => Self::Readyz,
            ["metrics"] => Self::Metrics,
            ["version"] => Self::Version,
            ["openapi.json"] => Self::OpenApi,
            ["api", "v1", "node"] => Self::Node,
            ["api", "v1", "ring"] => Self::Ring,
            ["api", "v1", "lookup"] => Self::Lookup,
            ["api", "v1", "config"] => Self::Config,
            ["api", "v1", "catalog"] => Self::Catalog,
            ["api", "v1", "files"] => Self::Files,
            ["api", "v1", "files", "", ..] | ["files"] | ["files", ""] => {
                return Err(unknown("The path has no file name; append one, or list all at /api/v1/files."));
            }
            ["api", "v1", "files", name] => Self::File(base_name(name)?),
            ["api", "v1", "files", name, "content"] => Self::Content(base_name(name)?),
            ["api", "v1", "search"] => Self::Search,
            ["api", "v1", "search", "events"] => Self::SearchEvents,
            ["api", "v1", "events"] => Self::Events,
            ["api", "v1", "published"] => Self::Published,
            ["api", "v1", "published", ""] => {
                return Err(unknown(
                    "The path has no file name; append one, or ask for all at /api/v1/published.",
                ));
            }
            ["api", "v1", "published", name] => Self::Receipt(base_name(name)?),
            ["files", path @ ..] => Self::Shared(relative_path(path)?),
            _ => return Err(unknown("There is nothing at this path. The interface starts at /api/v1/.")),
        })
    }

    /// The path with its variable parts named: the only form in which it becomes a label.
    pub fn pattern(&self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Text => "/text",
            Self::Asset(_) => "/assets/{path}",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Metrics => "/metrics",
            Self::Version => "/version",
            Self::OpenApi => "/openapi.json",
            Self::Node => "/api/v1/node",
            Self::Ring => "/api/v1/ring",
            Self::Lookup => "/api/v1/lookup",
            Self::Config => "/api/v1/config",
            Self::Catalog => "/api/v1/catalog",
            Self::Files => "/api/v1/files",
            Self::File(_) => "/api/v1/files/{name}",
            Self::Content(_) => "/api/v1/files/{name}/content",
            Self::Search => "/api/v1/search",
            Self::SearchEvents => "/api/v1/search/events",
            Self::Events => "/api/v1/events",
            Self::Published => "/api/v1/published",
            Self::Receipt(_) => "/api/v1/published/{name}",
            Self::Shared(_) => "/files/{path}",
        }
    }

    /// The query keys that it knows with this method; `None`: it has no use for a query, and ignores it.
    pub fn query_keys(&self, method: &Method) -> Option<&'static [&'static str]> {
        match self {
            Self::Text => Some(&["q", "name", "lookup"]),
            Self::Shared(_) if method != Method::PUT => Some(&["save"]),
            Self::Files => Some(&["limit", "cursor"]),
            Self::Catalog => Some(&["limit", "cursor", "peer"]),
            Self::Content(_) => Some(&["peer", "digest"]),
            Self::Search => Some(&["q", "limit", "cursor"]),
            Self::SearchEvents => Some(&["q"]),
            Self::Events => Some(&["after"]),
            Self::Node => Some(&["peer"]),
            Self::Lookup => Some(&["name", "key"]),
            Self::File(_) | Self::Ring | Self::Config | Self::Published | Self::Receipt(_) => Some(&[]),
            _ => None,
        }
    }

    /// The methods that it has, as `Allow` lists them.
    pub fn methods(&self) -> &'static str {
        match self {
            Self::Shared(_) => ALL_METHODS,
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// The media types that its answers to this method may have.
    pub fn media_types(&self, method: &Method) -> Vec<&'static str> {
        let only = match self {
            Self::Page | Self::Text => page::HTML,
            Self::Livez | Self::Readyz => health::PLAIN,
            Self::Metrics => return Form::ALL.map(Form::media_type).to_vec(),
            Self::SearchEvents | Self::Events => reply::EVENTS,
            Self::Shared(_) if method == Method::PUT => reply::JSON,
            Self::Content(name) | Self::Shared(name) | Self::Asset(name) => media_type(name),
            _ => reply::JSON,
        };
        vec![only]
    }

    /// Whether its answers to this method are texts, which may be compressed.
    pub fn is_text(&self, method: &Method) -> bool {
        match self {
            Self::Shared(_) => method == Method::PUT,
            Self::Content(_) | Self::SearchEvents | Self::Events => false,
            _ => true,
        }
    }

    /// # Errors
    /// [`Kind::MethodNotAllowed`] with those that it has.
    pub fn check_method(&self, method: &Method) -> Result<(), Problem> {
        let methods = self.methods();
        if methods.split(", ").any(|own| own == method.as_str()) {
            return Ok(());
        }
        let detail = format!("This resource has no method {method}; it has {methods}.");
        Err(Problem::new(Kind::MethodNotAllowed, detail).allow(methods))
    }
}

fn unknown(detail: &str) -> Problem {
    Problem::new(Kind::UnknownPath, detail)
}

/// A decoded segment that can be a file's base name.
fn base_name(name: &str) -> Result<String, Problem> {
    let reason = match name {
        _ if name.len() > MAX_NAME => "a file name has at most 255 bytes",
        _ if name.contains('/') => "a file name has no slash; ask for the base name alone",
        _ if name.contains('\0') => "a file name has no NUL",
        _ if name.contains('\\') => "the name of a shared file has no backslash",
        "." | ".." => "this is not the name of a file",
        _ => return Ok(name.to_owned()),
    };
    Err(Problem::new(Kind::FileNotFound, format!("No peer can have a file of this name: {reason}.")))
}

/// Decoded segments that can be a path below the shared directory: `%2F` does not separate.
fn relative_path(segments: &[&str]) -> Result<String, Problem> {
    if segments.contains(&"") {
        let detail = "No shared file can have this path: a folder in it, or the file, has an empty name.";
        return Err(Problem::new(Kind::FileNotFound, detail));
    }
    segments.iter().try_for_each(|segment| base_name(segment).map(drop))?;
    Ok(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &[&str]) -> Result<Route, Kind> {
        let segments: Vec<String> = path.iter().map(|&segment| segment.to_owned()).collect();
        Route::of(&segments).map_err(|problem| problem.kind())
    }

    #[test]
    fn paths_lead_to_resources() {
        assert_eq!(route(&[""]), Ok(Route::Page));
        assert_eq!(route(&["api", "v1", "files", "a b"]), Ok(Route::File("a b".to_owned())));
        assert_eq!(route(&["api", "v1", "files", "a", "content"]), Ok(Route::Content("a".to_owned())));
        assert_eq!(route(&["api", "v1", "search", "events"]), Ok(Route::SearchEvents));
        assert_eq!(route(&["api", "v1", "events"]), Ok(Route::Events));
        assert_eq!(route(&["api", "v1", "published", "a"]), Ok(Route::Receipt("a".to_owned())));
        assert_eq!(route(&["files", "a", "b.txt"]), Ok(Route::Shared("a/b.txt".to_owned())));
        for path in [
            &["api"][..],
            &["files"],
            &["files", ""],
            &["api", "v1", "files", ""],
            &["api", "v1", "published", ""],
            &["livez", ""],
        ] {
            assert_eq!(route(path), Err(Kind::UnknownPath), "{path:?}");
        }
    }

    #[test]
    fn what_no_file_can_be_called_is_not_found() {
        for path in [&["a/b"][..], &["."], &[".."], &["a", "..", "b"], &["a", ""], &["a\0b"], &["", "a"]] {
            let path = [&["files"], path].concat();
            assert_eq!(route(&path), Err(Kind::FileNotFound), "{path:?}");
        }
        for name in ["a/b", "..", "a\0b", &"é".repeat(128)] {
            assert_eq!(route(&["api", "v1", "files", name]), Err(Kind::FileNotFound), "{name:?}");
        }
        assert!(route(&["api", "v1", "files", &"x".repeat(255)]).is_ok());
    }
}
