//! The ASCII encoding that Flinks' article on the signature prescribes: .NET's `Encoding.ASCII`, with `?` for each
//! UTF-16 unit outside ASCII.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Feeds `text` in this encoding to an HMAC: `?` for `é`, and `??` for an emoji.
pub(super) fn update(mac: &mut Hmac<Sha256>, text: &str) {
    // Piece by piece: a second copy of a body of several megabytes would be expensive.
    const PIECE_BYTES: usize = 4096;
    // Most text is ASCII. A short run that is all ASCII is checked and copied many bytes at a time.
    const RUN_BYTES: usize = 32;
    let mut encoded = Vec::with_capacity(PIECE_BYTES);
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        encoded.clear();
        for run in piece.chunks(RUN_BYTES) {
            if run.is_ascii() {
                encoded.extend_from_slice(run);
                continue;
            }
            for &byte in run {
                match byte {
                    0x00..=0x7F => encoded.push(byte),
                    // A continuation byte: the first byte of its character was already encoded.
                    0x80..=0xBF => {}
                    // Two or three bytes in UTF-8 are one unit in UTF-16, four bytes are two.
                    0xC0..=0xEF => encoded.push(b'?'),
                    0xF0..=0xFF => encoded.extend_from_slice(b"??"),
                }
            }
        }
        mac.update(&encoded);
    }
}
