//! The digests that a client may send with an object. All of them must be right.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use super::body::Body;
use super::error::{bad_digest, invalid_request, not_implemented};
use crate::error::ServiceError;
use crate::wire::Call;

static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
static CRC64_NVME: Crc<u64> = Crc::<u64>::new(&CRC_64_NVME);

const PREFIX: &str = "x-amz-checksum-";
/// Headers that have the prefix but hold no checksum.
const SETTINGS: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// Verifies `Content-MD5`, `x-amz-content-sha256` and every `x-amz-checksum-*`, as header or trailer. Returns the
/// `x-amz-checksum-*` values by name, which S3 stores with the object.
pub(super) fn verify(call: &Call, body: &Body) -> Result<BTreeMap<String, String>, ServiceError> {
    verify_md5(call, body)?;
    verify_payload_hash(call, body)?;
    let headers = call.headers.iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let trailers = body.trailers.iter();
    let trailers = trailers.map(|(name, value)| (name.as_str(), value.as_str()));
    let mut checksums = BTreeMap::new();
    for (name, sent) in headers.chain(trailers) {
        let Some(algorithm) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if SETTINGS.contains(&name) {
            continue;
        }
        let right = checksum(algorithm, &body.bytes).ok_or_else(not_implemented)?;
        let sent = STANDARD.decode(sent).ok();
        let sent = sent
            .filter(|sent| sent.len() == right.len())
            .ok_or_else(|| invalid_request(format!("Value for {name} header is invalid.")))?;
        if sent != right {
            let algorithm = algorithm.to_ascii_uppercase();
            return Err(bad_digest(format!("The {algorithm} you specified did not match the calculated checksum.")));
        }
        checksums.insert(name.to_owned(), STANDARD.encode(right));
    }
    Ok(checksums)
}

fn checksum(algorithm: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        "crc32" => Some(CRC32.checksum(bytes).to_be_bytes().to_vec()),
        "crc32c" => Some(CRC32C.checksum(bytes).to_be_bytes().to_vec()),
        "crc64nvme" => Some(CRC64_NVME.checksum(bytes).to_be_bytes().to_vec()),
        "sha1" => Some(Sha1::digest(bytes).to_vec()),
        "sha256" => Some(Sha256::digest(bytes).to_vec()),
        _ => None,
    }
}

fn verify_md5(call: &Call, body: &Body) -> Result<(), ServiceError> {
    let Some(sent) = call.header("content-md5") else {
        return Ok(());
    };
    let sent = STANDARD.decode(sent).ok().filter(|sent| sent.len() == 16);
    let sent =
        sent.ok_or_else(|| ServiceError::bad_request("InvalidDigest", "The Content-MD5 you specified was invalid."))?;
    if sent == Md5::digest(&body.bytes).to_vec() {
        return Ok(());
    }
    Err(bad_digest("The Content-MD5 you specified did not match what we received."))
}

/// Verifies the hash that the signature covers, unless it is a keyword such as `UNSIGNED-PAYLOAD`.
fn verify_payload_hash(call: &Call, body: &Body) -> Result<(), ServiceError> {
    let sent = call.header("x-amz-content-sha256").unwrap_or_default();
    let is_hash = sent.len() == 64 && sent.bytes().all(|c| c.is_ascii_hexdigit());
    if !is_hash || sent.eq_ignore_ascii_case(&hex::encode(Sha256::digest(&body.bytes))) {
        return Ok(());
    }
    Err(ServiceError::bad_request(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ))
}

#[cfg(test)]
mod tests {
    use super::{STANDARD, checksum};
    use base64::Engine;

    /// The check values of "123456789", as catalogues of checksums list them.
    #[test]
    fn every_algorithm_gives_its_check_value() {
        let check = |algorithm| checksum(algorithm, b"123456789").unwrap();
        assert_eq!(check("crc32"), 0xCBF4_3926_u32.to_be_bytes());
        assert_eq!(check("crc32c"), 0xE306_9283_u32.to_be_bytes());
        assert_eq!(check("crc64nvme"), 0xAE8B_1486_0A79_9888_u64.to_be_bytes());
        assert_eq!(STANDARD.encode(check("sha1")), "98O8HYCOBHMq32eZZczDTKeuNEE=");
        assert_eq!(STANDARD.encode(check("sha256")), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
    }
}
