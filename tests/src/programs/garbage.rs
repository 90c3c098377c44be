//! Garbage to send: frames, messages and lengths that make no sense, or too much of it.

use bytes::Bytes;
use futures::{Stream, stream};
use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;

/// Random bytes.
pub fn bytes(random: &mut ChaCha8Rng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill_bytes(&mut bytes);
    bytes
}

/// A frame of HTTP/2.
///
/// # Panics
/// Where `payload` has no length.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A prefix that declares `length` bytes, and `really` so many zeros, in pieces.
///
/// # Panics
/// Where gRPC cannot say `length`.
pub fn huge(length: usize, really: usize) -> impl Stream<Item = Bytes> + Send + 'static {
    let prefix = [&[0][..], &u32::try_from(length).expect("a length").to_be_bytes()].concat();
    let piece = Bytes::from(vec![0; 64 << 10]);
    let pieces = really / piece.len();
    stream::iter(std::iter::once(Bytes::from(prefix)).chain(std::iter::repeat_n(piece, pieces)))
}

/// So many zeros, compressed by gzip: 1 byte says 158.
pub fn bomb(zeros: usize) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let (mut held, mut bits) = (0_u32, 0);
    let mut put = |code: u32, length: u32, out: &mut Vec<u8>| {
        held |= code << bits;
        bits += length;
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    };
    // A last block with fixed codes: a zero, then "the 258 bytes before, once more". Codes come highest bit first.
    put(0b011, 3, &mut out);
    put(0b0000_1100, 8, &mut out);
    for _ in 0..zeros / 258 {
        put(0b1010_0011, 8, &mut out);
        put(0, 5, &mut out);
    }
    put(0, 7 + 7, &mut out);
    out
}

/// Bytes that protobuf can read, of no message in particular.
pub fn nonsense(random: &mut ChaCha8Rng, depth: usize) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..random.random_range(0..8) {
        let field: u32 = random.random_range(1..9);
        let kind: u32 = *[0, 1, 2, 2, 2, 2, 5].get(random.random_range(0..7)).unwrap_or(&2);
        varint(&mut message, u64::from(field << 3 | kind));
        match kind {
            0 => varint(&mut message, random.random()),
            1 => message.extend(bytes(random, 8)),
            5 => message.extend(bytes(random, 4)),
            _ => {
                let length = random.random_range(0..64);
                let inner = if depth > 0 && random.random() {
                    nonsense(random, depth - 1)
                } else {
                    bytes(random, length)
                };
                varint(&mut message, inner.len() as u64);
                message.extend(inner);
            }
        }
    }
    message
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// A field of the wire type "bytes": a text, bytes or a message.
pub fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    varint(&mut message, u64::from(number << 3 | 2));
    varint(&mut message, content.len() as u64);
    message.extend(content);
    message
}
