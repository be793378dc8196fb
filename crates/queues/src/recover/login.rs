//! A LoginId, and the place of its objects in the bucket.

use sha2::{Digest, Sha256};

/// The prefix of everything that a recovery writes to the bucket.
pub const PREFIX: &str = "recovery/";
/// The most bytes of a LoginId that RecoveryFunction accepts.
const MAX_BYTES: usize = 128;

/// Whether Flinks could have made a LoginId of this text. All known ones are UUIDs. White space in one is a mistake.
pub fn is_legal(text: &str) -> bool {
    (1..=MAX_BYTES).contains(&text.len())
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}'))
}

/// Whether the text has only characters that a UUID has, and letters. Then it is a LoginId on the command line, if there
/// is no such file.
pub fn is_plain(text: &str) -> bool {
    is_legal(text) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The prefix of a login's objects. It has the hash of the LoginId, because logs and inventories of S3 have keys.
pub fn folder(login_id: &str) -> String {
    format!("{PREFIX}{}/", hex::encode(Sha256::digest(login_id.as_bytes())))
}

/// The key of the note that a request is about to be sent. Outcomes have keys that end in `.json`.
pub fn note(login_id: &str) -> String {
    format!("{}requested", folder(login_id))
}

/// The key of the note that SQS accepted the request. It is an object of its own, because the time of the first note
/// must stay: it is older than the outcome.
pub fn sent_note(login_id: &str) -> String {
    format!("{}sent", folder(login_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_the_login_id() {
        for (login_id, hash) in [
            (
                "6b818cd8-359f-41c8-2246-08de0113edf4",
                "636f40cb9a3b650dd8821049045338aae71fe1d261584393cbc4a733b2228782",
            ),
            ("x_y", "f9068e8172f51b166fdd1546494f1136129eb891d244d6cc5bf3f1ef21b64729"),
        ] {
            assert_eq!(folder(login_id), format!("recovery/{hash}/"));
            assert_eq!(note(login_id), format!("recovery/{hash}/requested"));
            assert_eq!(sent_note(login_id), format!("recovery/{hash}/sent"));
        }
    }

    #[test]
    fn a_login_id_has_no_white_space_and_at_most_128_bytes() {
        for legal in ["6b818cd8-359f-41c8-2246-08de0113edf4", "é_/.", &"x".repeat(128)] {
            assert!(is_legal(legal), "{legal}");
        }
        for illegal in ["", "a b", "a\u{1b}", "a\u{FFFF}", &"x".repeat(129)] {
            assert!(!is_legal(illegal), "{illegal}");
        }
    }
}
