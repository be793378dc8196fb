//! A value for each kind of callback.

use flinks_events::Kind;

/// One value for each kind, so that none can be missing.
#[derive(Clone, Debug, Default)]
pub struct PerKind<T> {
    pub kyc: T,
    pub accounts_detail: T,
    pub investments: T,
    pub pay: T,
    pub upload_fraud: T,
    pub unclassified: T,
}

impl<T> PerKind<T> {
    pub fn get(&self, kind: Kind) -> &T {
        match kind {
            Kind::Kyc => &self.kyc,
            Kind::AccountsDetail => &self.accounts_detail,
            Kind::Investments => &self.investments,
            Kind::Pay => &self.pay,
            Kind::UploadFraud => &self.upload_fraud,
            Kind::Unclassified => &self.unclassified,
        }
    }
}
