//! Which texts are paths of shared files, and which are file names: the one rule for listing and serving.
use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// Longest path below the shared directory, bytes (Linux's `PATH_MAX`).
pub const MAX_PATH: usize = 4096;
/// Longest file name, bytes.
pub const MAX_NAME: usize = 255;

/// Why a text is not the path of a shared file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not a path below the directory at all.
    #[error(
        "{path:?} is not a path below the shared directory: {why}; give a relative path with `/`, such as \
         docs/report.pdf"
    )]
    Invalid {
        /// What was given, cut to a readable length.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A path that is never shared: a hidden file or folder, or an unfinished `*.part`.
    #[error("{0:?} is not shared here: names that start with `.` or end in `.part` never are")]
    NeverShared(String),
}

/// A path below the shared directory that may be shared: relative, `/`-separated UTF-8 without empty, `.`
/// or `..` segments, NUL or backslash; no segment starts with `.`, the last does not end in `.part`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedPath(String);

impl SharedPath {
    /// Checks the form of `path`; whether the file exists is not asked. Nothing is decoded: `%2e` is three
    /// characters.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let invalid = |why| Err(PathError::Invalid { path: shorten(path), why });
        if path.is_empty() {
            return invalid("it is empty");
        }
        if path.len() > MAX_PATH {
            return invalid("it is longer than 4096 bytes");
        }
        if path.contains('\0') {
            return invalid("it holds a NUL character");
        }
        if path.contains('\\') {
            return invalid("it holds a backslash");
        }
        if path.starts_with('/') {
            return invalid("it is absolute");
        }
        for segment in path.split('/') {
            match segment {
                "" => return invalid("it has an empty segment"),
                "." | ".." => return invalid("it has a `.` or `..` segment"),
                long if long.len() > MAX_NAME => return invalid("a segment is longer than 255 bytes"),
                _ => {}
            }
        }
        if path.split('/').any(|segment| segment.starts_with('.')) || path.ends_with(".part") {
            return Err(PathError::NeverShared(shorten(path)));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path, exactly as it is on disk.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The base name in Unicode's composed form (NFC), which is what keys and people use.
    pub fn name(&self) -> String {
        nfc(self.file_name())
    }

    /// The base name, exactly as it is on disk.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folders before the base name; `None` directly below the directory.
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }
}

/// Ordered and compared as its text, so that maps keyed by it can be asked with a `&str`.
impl std::borrow::Borrow<str> for SharedPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SharedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` in Unicode's composed form (NFC).
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// What keeps `name` from being a file's base name; `None` where nothing does.
pub fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("the file name is empty; give the base name of a file, such as report.pdf")
    } else if name.len() > MAX_NAME {
        Some("the file name is longer than 255 bytes, more than a file system takes; shorten it")
    } else if name.contains('/') {
        Some("a file name holds no `/`; give only the base name, such as report.pdf")
    } else if name.contains('\0') {
        Some("a file name holds no NUL character; remove it")
    } else if matches!(name, "." | "..") {
        Some("`.` and `..` name folders, not files; give the base name of a file, such as report.pdf")
    } else {
        None
    }
}

/// At most 100 characters of `text`, for messages.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(path: &str) -> SharedPath {
        SharedPath::parse(path).unwrap()
    }

    #[test]
    fn only_plain_relative_paths_are_paths() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(2100) + "x";
        let bad = [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            "\\x",
            "a\\..\\b",
            &long,
            &deep,
        ];
        for path in bad {
            assert!(matches!(SharedPath::parse(path), Err(PathError::Invalid { .. })), "{path:?}");
        }
        for path in [".hidden", "a/.git/config", "x.part", "a/.part", "...", "..a"] {
            assert!(matches!(SharedPath::parse(path), Err(PathError::NeverShared(_))), "{path:?}");
        }
        for path in ["a", "a b/ö.txt", "a..b", "x.part/y", "🦀.rs", "two\nlines", "%2e%2e", "a.partial", "C:"]
        {
            assert_eq!(shared(path).as_str(), path);
        }
    }

    #[test]
    fn names_are_composed_paths_are_not() {
        let path = shared("d/e\u{301}.txt");
        assert_eq!(path.name(), "\u{e9}.txt");
        assert_eq!(path.as_str(), "d/e\u{301}.txt");
    }

    #[test]
    fn what_is_no_base_name_is_said() {
        for bad in ["", "a/b", "/", "a\0", ".", "..", &"é".repeat(128)] {
            assert!(name_problem(bad).is_some(), "{bad:?}");
        }
        for good in ["a", ".hidden", "two\nlines", "e\u{301} 🦀", &"x".repeat(255)] {
            assert_eq!(name_problem(good), None, "{good:?}");
        }
    }
}
