//! A secret with its versions, and the stages that move between them.

use std::time::SystemTime;

use uuid::Uuid;

use super::identity::Identity;

#[derive(Debug)]
pub(super) struct Secret {
    pub(super) identity: Identity,
    /// Scheduled for deletion: it still exists but cannot be read.
    pub(super) deleted: bool,
    pub(super) versions: Vec<Version>,
}

pub(super) struct Version {
    pub(super) id: String,
    pub(super) payload: Payload,
    pub(super) created: SystemTime,
    /// A version without a stage is deprecated: it can be read only by its id.
    pub(super) stages: Vec<Stage>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Payload {
    Text(String),
    /// In base64, as on the wire.
    Binary(String),
}

/// A staging label. At most one version of a secret has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage(pub(super) String);

impl Stage {
    pub(super) fn current() -> Stage {
        Stage::from("AWSCURRENT")
    }

    fn previous() -> Stage {
        Stage::from("AWSPREVIOUS")
    }
}

impl From<&str> for Stage {
    fn from(stage: &str) -> Stage {
        Stage(stage.to_owned())
    }
}

impl Secret {
    pub(super) fn new(identity: Identity) -> Secret {
        Secret { identity, deleted: false, versions: Vec::new() }
    }

    /// Adds a version, created `now`, as the new AWSCURRENT.
    pub(super) fn rotate(&mut self, payload: Payload, now: SystemTime) {
        self.add(Uuid::new_v4().to_string(), payload, vec![Stage::current()], now);
    }

    /// Adds a version, and removes its stages from the versions that had them. The old AWSCURRENT becomes AWSPREVIOUS
    /// (Secrets Manager API reference, PutSecretValue).
    pub(super) fn add(&mut self, id: String, payload: Payload, stages: Vec<Stage>, now: SystemTime) {
        if stages.contains(&Stage::current()) && self.version_at(&Stage::current()).is_some() {
            self.strip(&Stage::previous());
            if let Some(version) = self.version_at_mut(&Stage::current()) {
                version.stages.push(Stage::previous());
            }
        }
        for stage in &stages {
            self.strip(stage);
        }
        self.versions.push(Version { id, payload, created: now, stages });
    }

    pub(super) fn version_at(&self, stage: &Stage) -> Option<&Version> {
        let mut versions = self.versions.iter();
        versions.find(|version| version.stages.contains(stage))
    }

    pub(super) fn version_at_mut(&mut self, stage: &Stage) -> Option<&mut Version> {
        let mut versions = self.versions.iter_mut();
        versions.find(|version| version.stages.contains(stage))
    }

    fn strip(&mut self, stage: &Stage) {
        for version in &mut self.versions {
            version.stages.retain(|other| other != stage);
        }
    }
}

/// Omits the payload, which is secret.
impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version").field("id", &self.id).field("stages", &self.stages).finish_non_exhaustive()
    }
}
