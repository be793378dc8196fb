//! How keys were used: what the log and the metrics say about them.

use std::time::Duration;

use serde::Serialize;

use super::{
    secret::{KeyProblem, Stage},
    signature::Scheme,
};
use crate::aws_error::FailedCalls;

/// How the keys were used for one callback, or for a part of it.
#[derive(Clone, Debug, Default)]
pub struct KeyUse {
    /// How often a scheme's keys were read.
    pub reads: u32,
    /// How many of those reads did not return both stages.
    pub failed_reads: u32,
    pub failures: FailedCalls,
    /// How long ago the current key was read. If both schemes were used, the longer time.
    pub age: Option<Duration>,
    /// Problems of the secrets, without duplicates. A current version that cannot be a key is reported at each
    /// callback. Every other problem is reported when the secret is read and when a signature is wrong.
    pub problems: Vec<KeyProblem>,
    /// The keys that the callback was checked with.
    pub tried: Vec<TriedKey>,
}

/// A key that a callback was checked with. Holds nothing of the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriedKey {
    pub scheme: Scheme,
    pub stage: Stage,
    /// Since the version was stored in Secrets Manager.
    pub age_seconds: Option<u64>,
    /// Since this instance read it.
    pub read_seconds_ago: u64,
}

impl KeyUse {
    /// How many schemes have a current version that cannot be a key.
    pub fn unusable(&self) -> usize {
        self.problems.iter().filter(|found| found.stage == Stage::Current && found.is_unusable()).count()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.failed_reads += other.failed_reads;
        self.failures.extend(other.failures);
        self.age = self.age.max(other.age);
        self.add_problems(other.problems);
        self.tried.extend(other.tried);
    }

    pub(super) fn add_problems(&mut self, problems: impl IntoIterator<Item = KeyProblem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}
