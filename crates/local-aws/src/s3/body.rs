//! Decodes the bytes of an object from the `aws-chunked` coding that SDKs use (S3 user guide, "Signature calculations
//! for the authorization header: transferring payload in multiple chunks").

use bytes::{Bytes, BytesMut};

use super::error::incomplete_body;
use crate::error::ServiceError;
use crate::wire::Call;

/// An object's bytes and the trailers after them, with names in lower case.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) trailers: Vec<(String, String)>,
}

impl Body {
    /// Fails with IncompleteBody if the coding is broken or the length differs from `x-amz-decoded-content-length`.
    /// Chunk signatures are not checked.
    pub(super) fn read(call: &Call) -> Result<Body, ServiceError> {
        let promised = call.header("x-amz-content-sha256").unwrap_or_default();
        if !promised.starts_with("STREAMING-") {
            return Ok(Body { bytes: call.body.clone(), trailers: Vec::new() });
        }
        let body = decode(&call.body).ok_or_else(incomplete_body)?;
        let length = call.header("x-amz-decoded-content-length");
        if length.is_some_and(|length| length.parse() != Ok(body.bytes.len())) {
            return Err(incomplete_body());
        }
        Ok(body)
    }
}

/// The coding has chunks of `LENGTH[;EXTENSION]`, CRLF, bytes, CRLF, with the length in hexadecimal. A chunk of length
/// 0 ends them. Then come the trailers, one per line, and an empty line.
fn decode(mut coded: &[u8]) -> Option<Body> {
    let mut bytes = BytesMut::with_capacity(coded.len());
    loop {
        let (line, rest) = line(coded)?;
        let length = line.split(';').next()?.trim();
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            coded = rest;
            break;
        }
        let (chunk, rest) = rest.split_at_checked(length)?;
        bytes.extend_from_slice(chunk);
        coded = rest.strip_prefix(b"\r\n")?;
    }
    let trailers = std::str::from_utf8(coded).ok()?.lines();
    let trailers = trailers.filter_map(|line| line.split_once(':'));
    Some(Body {
        bytes: bytes.freeze(),
        trailers: trailers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect(),
    })
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.get(2..)?))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let coded = b"4\r\nab\r\n\r\n2;chunk-signature=0\r\ncd\r\n0\r\nX-Amz-Checksum-Crc32: AAA=\r\n\r\n";
        let body = decode(coded).unwrap();
        assert_eq!(&body.bytes[..], b"ab\r\ncd");
        let trailer = ("x-amz-checksum-crc32".to_owned(), "AAA=".to_owned());
        assert_eq!(body.trailers, [trailer]);
    }

    #[test]
    fn a_truncated_body_is_rejected() {
        for coded in [&b"4\r\nab"[..], b"4\r\nabcd", b"4\r\nabcd\r\n", b"z\r\n", b""] {
            assert!(decode(coded).is_none());
        }
    }
}
