//! The table of resources: which path is which, and what methods and query keys it has.

use http::Method;

use super::problem::{Kind, Problem};

/// The longest file name that the common file systems have, in bytes.
const MAX_NAME: usize = 255;

/// A resource, with what its path says. `HEAD` goes wherever `GET` does.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    Page,
    Livez,
    Readyz,
    Metrics,
    Version,
    Node,
    Ring,
    Catalog,
    Files,
    File(String),
    Content(String),
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
            ["livez"] => Self::Livez,
            ["readyz"] => Self::Readyz,
            ["metrics"] => Self::Metrics,
            ["version"] => Self::Version,
            ["api", "v1", "node"] => Self::Node,
            ["api", "v1", "ring"] => Self::Ring,
            ["api", "v1", "catalog"] => Self::Catalog,
            ["api", "v1", "files"] => Self::Files,
            ["api", "v1", "files", "", ..] | ["files"] | ["files", ""] => {
                return Err(unknown("The path has no file name; append one, or list all at /api/v1/files."));
            }
            ["api", "v1", "files", name] => Self::File(base_name(name)?),
            ["api", "v1", "files", name, "content"] => Self::Content(base_name(name)?),
            ["files", path @ ..] => Self::Shared(relative_path(path)?),
            _ => return Err(unknown("There is nothing at this path. The interface starts at /api/v1/.")),
        })
    }

    /// The path with its variable parts named: the only form in which it becomes a label.
    pub fn pattern(&self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Metrics => "/metrics",
            Self::Version => "/version",
            Self::Node => "/api/v1/node",
            Self::Ring => "/api/v1/ring",
            Self::Catalog => "/api/v1/catalog",
            Self::Files => "/api/v1/files",
            Self::File(_) => "/api/v1/files/{name}",
            Self::Content(_) => "/api/v1/files/{name}/content",
            Self::Shared(_) => "/files/{path}",
        }
    }

    /// The query keys that it knows; `None`: it has no use for a query, and ignores it.
    pub fn query_keys(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Files => Some(&["limit", "cursor"]),
            Self::Catalog => Some(&["limit", "cursor", "peer"]),
            Self::Content(_) => Some(&["peer", "digest"]),
            Self::File(_) | Self::Node | Self::Ring => Some(&[]),
            _ => None,
        }
    }

    /// # Errors
    /// [`Kind::MethodNotAllowed`] with those that it has.
    pub fn check_method(&self, method: &Method) -> Result<(), Problem> {
        let methods = match (self, method) {
            (_, &Method::GET | &Method::HEAD) | (Self::Shared(_), &Method::PUT) => return Ok(()),
            (Self::Shared(_), _) => "GET, HEAD, PUT",
            _ => "GET, HEAD",
        };
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
        "." | ".." => "this is not the name of a file",
        _ => return Ok(name.to_owned()),
    };
    Err(Problem::new(Kind::FileNotFound, format!("No peer can have a file of this name: {reason}.")))
}

/// Decoded segments that can be a path below the shared directory: `%2F` does not separate.
fn relative_path(segments: &[&str]) -> Result<String, Problem> {
    let possible = segments.iter().all(|segment| !segment.is_empty() && base_name(segment).is_ok());
    match possible {
        true => Ok(segments.join("/")),
        false => Err(Problem::new(Kind::FileNotFound, "No shared file can have this path.")),
    }
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
        assert_eq!(route(&["files", "a", "b.txt"]), Ok(Route::Shared("a/b.txt".to_owned())));
        for path in [&["api"][..], &["files"], &["files", ""], &["api", "v1", "files", ""], &["livez", ""]] {
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
