//! Generates payloads as Flinks sends them, of any kind and size, from a seed.
//!
//! The shapes follow Flinks' published samples. If Flinks publishes none, they follow the closest page, and the kind's
//! help says that they are a guess. All people, addresses and numbers are made up.

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

/// A kind of payload. `--help` prints the text of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PayloadKind {
    /// The customer's identity. The shape is published. --size adds holders
    Kyc,
    /// Accounts with their transactions. The fields are published. GUESS: the values of Category, Type, LastFourDigits
    /// and the eligible ratios that the published sample does not have. --size adds accounts and transactions
    AccountsDetail,
    /// GUESS: Flinks publishes only the ResponseType. The payload has the fields that all types share, and no
    /// positions. Flinks retired the product on 30 April 2026
    Investments,
    /// The status of a guaranteed EFT session of Flinks Pay. The fields are published. GUESS: statusDetails is only the
    /// code, and no field names the event
    Pay,
    /// GUESS: Flinks publishes no alert. The payload has the shape of the fraud-analysis API and is signed with the
    /// aggregation scheme. The types of documents and signals are made up. --size adds documents
    UploadFraud,
    /// A ResponseType without a queue of its own. GUESS: GetAccountsSummary, a name from integrators' code, with
    /// accounts and no transactions. --size adds accounts
    #[value(alias = "unknown-type", alias = "unclassified")]
    Unknown,
}

impl PayloadKind {
    /// The kind's name on the command line.
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

    /// The scheme that Flinks uses for it.
    pub fn scheme(self) -> Scheme {
        match self {
            Self::Pay => Scheme::Pay,
            _ => Scheme::Aggregation,
        }
    }

    /// The receiver's kind for it.
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

    /// Whether it has a list that can grow.
    pub fn grows(self) -> bool {
        !matches!(self, Self::Investments | Self::Pay)
    }

    /// Whether it has a LoginId and a Tag.
    pub fn names_a_login(self) -> bool {
        self != Self::Pay
    }
}

/// Makes a payload: JSON without white space. The same state of `rng` gives the same bytes.
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

/// The random generator for one payload of a run. Each payload has its own, so that each can be made again alone.
pub fn generator(seed: u64, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    rng
}
