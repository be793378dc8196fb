//! The name and the ARN of a secret.

use uuid::Uuid;

use crate::names::arn;

/// The number of random characters that follow the name and a hyphen in an ARN.
const SUFFIX_CHARACTERS: usize = 6;

#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) arn: String,
}

impl Identity {
    /// Makes an identity from a name, or from a whole ARN, which is kept unchanged.
    pub(super) fn from_name(name: &str) -> Identity {
        if let Some(resource) = resource(name) {
            return Identity { name: without_suffix(resource).unwrap_or(resource).to_owned(), arn: name.to_owned() };
        }
        let random = Uuid::new_v4().simple().to_string();
        let suffix: String = random.chars().take(SUFFIX_CHARACTERS).collect();
        Identity { name: name.to_owned(), arn: arn("secretsmanager", &format!("secret:{name}-{suffix}")) }
    }

    /// Whether an id is exactly the name or the ARN.
    pub(super) fn is_name_or_arn(&self, id: &str) -> bool {
        self.name == id || self.arn == id
    }

    /// Whether an id is an ARN with this name, whatever its region, account and suffix.
    pub(super) fn matches_arn(&self, id: &str) -> bool {
        let Some(resource) = resource(id) else {
            return false;
        };
        resource == self.name || without_suffix(resource) == Some(&self.name)
    }
}

/// `NAME-XXXXXX` of `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX`.
fn resource(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(7, ':');
    let is_secret = parts.next()? == "arn" && {
        let (_partition, service) = (parts.next()?, parts.next()?);
        let (_region, _account) = (parts.next()?, parts.next()?);
        service == "secretsmanager" && parts.next()? == "secret"
    };
    parts.next().filter(|_| is_secret)
}

fn without_suffix(resource: &str) -> Option<&str> {
    let (name, suffix) = resource.rsplit_once('-')?;
    let random = suffix.len() == SUFFIX_CHARACTERS && suffix.bytes().all(|c| c.is_ascii_alphanumeric());
    random.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::Identity;

    const ARN: &str = "arn:aws:secretsmanager:ca-central-1:111122223333:secret:keys/main-AbC123";

    #[test]
    fn an_arn_as_a_name_is_kept_and_its_suffix_is_not_part_of_the_name() {
        let identity = Identity::from_name(ARN);
        assert_eq!(identity.name, "keys/main");
        assert_eq!(identity.arn, ARN);
    }

    #[test]
    fn any_arn_with_the_name_matches_with_or_without_suffix() {
        let identity = Identity::from_name("keys/main");
        assert!(identity.matches_arn(ARN));
        assert!(identity.matches_arn("arn:aws:secretsmanager:eu-west-1:0:secret:keys/main"));
        assert!(!identity.matches_arn("arn:aws:secretsmanager:eu-west-1:0:secret:keys/other"));
        assert!(!identity.matches_arn("arn:aws:sqs:eu-west-1:0:secret:keys/main"));
    }
}
