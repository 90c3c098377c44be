//! Where a client's bytes stand in HTTP/2: whether what it has begun to say is half-sent.

/// Bytes with which every HTTP/2 client begins.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes in front of each frame: length (3), type, flags, stream (4).
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Follows the frames that a client sends, from behind its preface on.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; HEAD],
    /// How much of the next head has come.
    known: usize,
    /// How much of the last frame's payload is to come.
    rest: usize,
    kind: u8,
    /// Headers have begun, and their last frame is to come.
    headers_open: bool,
}

impl Frames {
    /// Takes note of what came next.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let now = self.rest.min(bytes.len());
                self.rest -= now;
                bytes = &bytes[now..];
                continue;
            }
            let now = (HEAD - self.known).min(bytes.len());
            self.head[self.known..self.known + now].copy_from_slice(&bytes[..now]);
            self.known += now;
            bytes = &bytes[now..];
            if self.known == HEAD {
                let [a, b, c, kind, flags, ..] = self.head;
                self.known = 0;
                self.rest = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.kind = kind;
                if matches!(kind, HEADERS | CONTINUATION) {
                    self.headers_open = flags & END_HEADERS == 0;
                }
            }
        }
    }

    /// Whether the end of a frame, or of headers, is missing. Not where that is a message's own bytes: whoever
    /// waits for the message has a deadline for it.
    pub fn half_sent(&self) -> bool {
        self.known > 0 || self.headers_open || (self.rest > 0 && self.kind != DATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_sent_is_what_has_no_end() {
        let whole: [(&[u8], bool); 8] = [
            (b"\0\0\0\x04\0\0\0\0\0", false),
            (b"\0\0\x02\x01\x04\0\0\0\x01ab", false),
            (b"\0\0\x02\x01\x05\0\0\0\x03ab", false),
            (b"\0\0\x02\x01\0\0\0\0\x05ab", true),
            (b"\0\0\x01\x09\0\0\0\0\x05c", true),
            (b"\0\0\x01\x09\x04\0\0\0\x05c", false),
            (b"\0\0\x08\x06\0\0\0\0\0abcdefgh", false),
            (b"\0\0\x03\0\x01\0\0\0\x05abc", false),
        ];
        let all: Vec<u8> = whole.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
        for pieces in [1, 2, 7, 100] {
            let (mut frames, mut read) = (Frames::default(), 0);
            let ends: Vec<usize> = whole
                .iter()
                .scan(0, |end, (bytes, _)| {
                    *end += bytes.len();
                    Some(*end)
                })
                .collect();
            for piece in all.chunks(pieces) {
                frames.read(piece);
                read += piece.len();
                if let Some(at) = ends.iter().position(|end| *end == read) {
                    assert_eq!(frames.half_sent(), whole[at].1, "frame {at} in pieces of {pieces}");
                }
            }
            assert!(!frames.half_sent());
        }
    }

    #[test]
    fn a_half_frame_is_half_sent_unless_it_is_data() {
        for (bytes, half) in [
            (&b""[..], false),
            (b"\0", true),
            (b"\0\0\x08\x06\0\0\0\0\0abc", true),
            (b"\0\0\x08\0\0\0\0\0\x01abc", false),
            (b"\0\0\x08\0\0\0\0\0\x01abcdefgh\0\0", true),
        ] {
            let mut frames = Frames::default();
            frames.read(bytes);
            assert_eq!(frames.half_sent(), half, "{bytes:?}");
        }
    }
}
