//! The kinds of callback, each with a queue of its own.

/// What a callback is, and with that where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `"ResponseType":"KYC"`.
    Kyc,
    /// `"ResponseType":"GetAccountsDetail"`.
    AccountsDetail,
    /// `"ResponseType":"Investments"`.
    Investments,
    /// Flinks Pay: proven by a Pay signature, or shaped like a session's status.
    Pay,
    /// A Flinks Upload fraud alert.
    UploadFraud,
    /// Authentic, and not known. Kept all the same.
    Unclassified,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Kyc, Self::AccountsDetail, Self::Investments, Self::Pay, Self::UploadFraud, Self::Unclassified];

    /// The name in logs, metrics and object keys.
    pub fn label(self) -> &'static str {
        match self {
            Self::Kyc => "kyc",
            Self::AccountsDetail => "accounts-detail",
            Self::Investments => "investments",
            Self::Pay => "pay",
            Self::UploadFraud => "upload-fraud",
            Self::Unclassified => "unclassified",
        }
    }

    /// The queue's logical name in the template, the one that other teams know.
    pub fn queue(self) -> &'static str {
        match self {
            Self::Kyc => "KycQueue",
            Self::AccountsDetail => "AccountsDetailQueue",
            Self::Investments => "InvestmentsQueue",
            Self::Pay => "PayQueue",
            Self::UploadFraud => "UploadFraudQueue",
            Self::Unclassified => "UnclassifiedQueue",
        }
    }

    /// The kind whose queue has this name.
    pub fn of_queue(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.queue() == name)
    }

    /// The kind that Flinks documents for this `ResponseType`.
    pub fn of_response_type(value: &str) -> Option<Self> {
        match value {
            "KYC" => Some(Self::Kyc),
            "GetAccountsDetail" => Some(Self::AccountsDetail),
            "Investments" => Some(Self::Investments),
            _ => None,
        }
    }
}

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
