//! How a browser should treat a file: its media type, by its extension, and whether it may be shown or must
//! be saved.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const UNKNOWN: &str = "application/octet-stream";

/// Extension and media type. Text is taken for UTF-8.
const TYPES: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("c", "text/plain; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("py", "text/plain; charset=utf-8"),
    ("rs", "text/plain; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("toml", "text/plain; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xhtml", "application/xhtml+xml"),
    ("xml", "application/xml"),
    ("xz", "application/x-xz"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// RFC 8187's attr-char, without those that some readers mistake.
const ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The media type of a file of this name.
pub fn media_type(name: &str) -> &'static str {
    let Some((_, extension)) = name.rsplit_once('.') else { return UNKNOWN };
    let found = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    found.map_or(UNKNOWN, |(_, media_type)| media_type)
}

/// Whether a browser that showed it would run what is written in it, in the name of this peer's address.
pub fn is_active(media_type: &str) -> bool {
    ["text/html", "image/svg+xml", "application/xhtml+xml", "application/xml"]
        .iter()
        .any(|active| media_type.starts_with(active))
}

/// A `Content-Disposition` that has the file saved under `name`: in full for those who read RFC 8187, with
/// `_` for everything unusual for the others.
pub fn attachment(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._ ()".contains(c) { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ATTRIBUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_the_type() {
        assert_eq!(media_type("a.b.PDF"), "application/pdf");
        for name in ["pdf", "a.", "", ".", "a.unheard-of"] {
            assert_eq!(media_type(name), UNKNOWN, "{name:?}");
        }
        assert!(["a.html", "a.SVG", "a.xml", "a.xhtml"].iter().all(|name| is_active(media_type(name))));
        assert!(!is_active(media_type("a.txt")));
    }

    #[test]
    fn no_name_breaks_out_of_its_header() {
        let value = attachment("\u{e9} \"x\"\r\n\\😀;.txt");
        let (plain, full) = value.split_once("; filename*=").unwrap();
        assert_eq!(plain, "attachment; filename=\"_ _x______.txt\"");
        assert_eq!(full, "UTF-8''%C3%A9%20%22x%22%0D%0A%5C%F0%9F%98%80%3B.txt");
        assert!(http::HeaderValue::try_from(value).is_ok());
    }
}
