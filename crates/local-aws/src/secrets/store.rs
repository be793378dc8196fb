//! The content of Secrets Manager.

use std::sync::Mutex;
use std::time::SystemTime;

use super::identity::Identity;
use super::secret::{Payload, Secret, Stage};
use crate::clock::Clock;
use crate::sync::lock;

/// All secrets.
pub(crate) struct SecretsManager {
    pub(super) clock: Clock,
    pub(super) secrets: Mutex<Vec<Secret>>,
}

impl SecretsManager {
    pub(crate) fn new(clock: Clock) -> SecretsManager {
        SecretsManager { clock, secrets: Mutex::default() }
    }

    pub(crate) fn create(&self, name: &str, value: &str) {
        let mut secret = Secret::new(Identity::from_name(name));
        secret.rotate(Payload::Text(value.to_owned()), self.clock.now());
        let mut secrets = lock(&self.secrets);
        secrets.retain(|other| other.identity.name != secret.identity.name);
        secrets.push(secret);
    }

    pub(crate) fn put(&self, name: &str, value: &str) {
        let (payload, now) = (Payload::Text(value.to_owned()), self.clock.now());
        let mut secrets = lock(&self.secrets);
        match find(&mut secrets, name) {
            Some(secret) => secret.rotate(payload, now),
            None => {
                let mut secret = Secret::new(Identity::from_name(name));
                secret.rotate(payload, now);
                secrets.push(secret);
            }
        }
    }

    pub(crate) fn delete(&self, name: &str) {
        if let Some(secret) = find(&mut lock(&self.secrets), name) {
            secret.deleted = true;
        }
    }

    pub(crate) fn set_created(&self, name: &str, stage: &str, created: SystemTime) {
        let mut secrets = lock(&self.secrets);
        let secret = find(&mut secrets, name);
        if let Some(version) = secret.and_then(|secret| secret.version_at_mut(&Stage::from(stage))) {
            version.created = created;
        }
    }
}

/// The secret with this id: its name, its ARN, or its ARN without the random suffix.
pub(super) fn find<'a>(secrets: &'a mut [Secret], id: &str) -> Option<&'a mut Secret> {
    // Exact matches come first, because one secret's name may look like another's name with a suffix.
    let exact = secrets.iter().position(|secret| secret.identity.is_name_or_arn(id));
    let close = || secrets.iter().position(|secret| secret.identity.matches_arn(id));
    let found = exact.or_else(close)?;
    secrets.get_mut(found)
}
