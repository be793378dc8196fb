//! Authentication: the IP allow-list, then the signature. Both decide before anything looks into the body.

mod ascii_encoding;
mod both_schemes;
mod ip_allowlist;
mod key_cache;
mod key_ring;
mod key_use;
mod keys;
pub mod secret;
mod signature;
mod signature_check;
mod signing_keys;

pub use ip_allowlist::IpAllowlist;
pub use key_use::{KeyUse, TriedKey};
pub use secret::{KeyProblem, SecretSource, SecretVersion, Stage};
pub use signature::{AuthenticCallback, Scheme, Signature, SignatureForm, Signatures, SigningKey};
pub use signing_keys::{Authentication, KeyRules, Prefetch};

use signing_keys::SigningKeys;

use crate::{http::Callback, rejection::Rejection, time_budget::TimeBudget};

/// Decides whether a callback is authentic.
pub struct Authenticator<S> {
    allowlist: IpAllowlist,
    keys: SigningKeys<S>,
}

impl<S: SecretSource> Authenticator<S> {
    pub fn new(allowlist: IpAllowlist, secrets: S, rules: KeyRules) -> Self {
        Self { allowlist, keys: SigningKeys::new(secrets, rules) }
    }

    /// Reads the keys before the first callback, for two seconds at most. The first callback reads what is missing.
    pub async fn prefetch(&self) -> Prefetch {
        self.keys.prefetch().await
    }

    /// Authenticates a callback. If the address is not on the allow-list, the signature is not checked.
    pub async fn authenticate(&self, callback: &Callback, budget: TimeBudget) -> Authentication {
        if !self.allowlist.allows(callback.source) {
            return Authentication::rejected(Rejection::SourceNotAllowed);
        }
        self.keys.check_signatures(callback, budget).await
    }
}
