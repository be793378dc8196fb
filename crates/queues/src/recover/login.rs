//! A LoginId, and the place of its objects in the bucket.

use sha2::{Digest, Sha256};

/// The prefix of everything that a recovery writes to the bucket.
pub const PREFIX: &str = "recovery/";
/// The most bytes of a LoginId that RecoveryFunction accepts, and that stand in a key as they are.
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

/// The prefix of a login's objects: the LoginId, or its hash if it could not be part of a key.
pub fn folder(login_id: &str) -> String {
    if is_plain(login_id) {
        format!("{PREFIX}{login_id}/")
    } else {
        format!("{PREFIX}{}/", hex::encode(Sha256::digest(login_id.as_bytes())))
    }
}

/// The key of the note that a request was sent. Outcomes have keys that end in `.json`.
pub fn note(login_id: &str) -> String {
    format!("{}requested", folder(login_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_id_that_could_not_be_part_of_a_key_is_hashed() {
        assert_eq!(folder("6b818cd8-359F"), "recovery/6b818cd8-359F/");
        assert_eq!(note("6b818cd8-359F"), "recovery/6b818cd8-359F/requested");
        assert_eq!(folder("x_y"), "recovery/f9068e8172f51b166fdd1546494f1136129eb891d244d6cc5bf3f1ef21b64729/");
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
