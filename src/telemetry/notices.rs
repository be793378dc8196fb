//! Log lines about the start of a program.

use super::log::{Level, Line};
use crate::{
    auth::{KeyProblem, Prefetch},
    config::{IgnoredResponseTypes, Problem},
};

/// Logs each variable that is missing or wrong.
pub fn log_configuration_problems(problems: &[Problem]) {
    for Problem { variable, expected } in problems {
        let line = Line::notice(Level::Error, "the configuration is wrong");
        line.with("variable", *variable).with("expected", *expected).end().write();
    }
}

/// Logs mapped `ResponseType` values that have no effect.
pub fn log_ignored_response_types(IgnoredResponseTypes { variable, names }: &IgnoredResponseTypes) {
    let line = Line::notice(Level::Warn, "a built-in ResponseType keeps its queue: its mapping is ignored");
    line.with("variable", *variable).with("responseTypes", names.as_slice()).end().write();
}

/// Logs what went wrong when the keys were read before the first callback.
pub fn log_prefetch(Prefetch { is_complete, keys }: &Prefetch) {
    let is_unusable = keys.problems.iter().any(KeyProblem::is_unusable);
    let (level, message) = match is_complete {
        false => (Level::Error, "could not prefetch all signing keys; the next callback retries"),
        true if is_unusable => (Level::Error, "a secret cannot be a signing key"),
        true if keys.problems.is_empty() && keys.failures.is_empty() => return,
        true => (Level::Warn, "prefetched the signing keys, with warnings"),
    };
    let line = Line::notice(level, message);
    line.with("awsFailures", &keys.failures).with("keyProblems", keys.problems.as_slice()).end().write();
}
