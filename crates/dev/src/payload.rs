//! Payloads as Flinks sends them, of any kind and size, made up from a seed.
//!
//! Only shapes that Flinks publishes, with its published samples as the base. Where nothing is published the nearest
//! page is followed, and the kind's help says that it is a guess. All people, addresses and numbers are made up.

mod account;
mod aggregation;
mod fraud;
mod item;
mod options;
mod pay;
mod person;
mod text;

pub use options::Options;

use clap::ValueEnum;
use flinks_webhooks::{auth::Scheme, routing::Kind};
use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};

/// A kind of payload. The text of each is its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PayloadKind {
    /// Who the customer is. Published shape; grows by holders
    Kyc,
    /// Accounts with their transactions. Published fields; GUESS: values of Category, Type, LastFourDigits and the
    /// eligible ratios that the sample does not have. Grows by accounts and transactions
    AccountsDetail,
    /// GUESS: nothing but the ResponseType is known, so the published fields that all types share, and no positions.
    /// Flinks retired the product on 30 April 2026
    Investments,
    /// The status of a guaranteed EFT session of Flinks Pay. Published fields; GUESS: statusDetails is the bare code,
    /// and no field names the event
    Pay,
    /// GUESS: no alert is published, so the shape of the fraud-analysis API, signed with the aggregation scheme. The
    /// types of documents and signals are made up. Grows by documents
    UploadFraud,
    /// A ResponseType that has no queue of its own. GUESS: GetAccountsSummary, which integrators' code knows, as
    /// accounts without transactions. Grows by accounts
    #[value(alias = "unknown-type", alias = "unclassified")]
    Unknown,
}

impl PayloadKind {
    /// How it is called on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Kyc => "kyc",
            Self::AccountsDetail => "accounts-detail",
            Self::Investments => "investments",
            Self::Pay => "pay",
            Self::UploadFraud => "upload-fraud",
            Self::Unknown => "unknown",
        }
    }

    /// The scheme that Flinks signs it with.
    pub fn scheme(self) -> Scheme {
        match self {
            Self::Pay => Scheme::Pay,
            _ => Scheme::Aggregation,
        }
    }

    /// What the receiver makes of it.
    pub fn received_as(self) -> Kind {
        match self {
            Self::Kyc => Kind::Kyc,
            Self::AccountsDetail => Kind::AccountsDetail,
            Self::Investments => Kind::Investments,
            Self::Pay => Kind::Pay,
            Self::UploadFraud => Kind::UploadFraud,
            Self::Unknown => Kind::Unclassified,
        }
    }

    /// Whether it has a list that can be longer.
    pub fn grows(self) -> bool {
        !matches!(self, Self::Investments | Self::Pay)
    }

    /// Whether it says whose login it is, and has a tag.
    pub fn names_a_login(self) -> bool {
        self != Self::Pay
    }
}

/// Makes a payload, JSON without white space. The same state of `rng` gives the same bytes.
pub fn generate(kind: PayloadKind, options: &Options, rng: &mut impl Rng) -> String {
    match kind {
        PayloadKind::Kyc => aggregation::kyc(options, rng),
        PayloadKind::AccountsDetail => aggregation::accounts_detail(options, rng),
        PayloadKind::Investments => aggregation::investments(options, rng),
        PayloadKind::Pay => pay::session_status(rng),
        PayloadKind::UploadFraud => fraud::analysis(options, rng),
        PayloadKind::Unknown => aggregation::accounts_summary(options, rng),
    }
}

/// The generator of one payload out of many: each has its own, so that any of them can be made again by itself.
pub fn generator(seed: u64, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    rng
}
