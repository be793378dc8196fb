//! The bodies of requests.

use serde::Serialize;

/// What GetAccountsDetail responds with. The default asks for everything that a callback can have.
///
/// The meaning of the fields is documented. The spelling of the names with `With` is from integrators' code. What Flinks
/// sends without them is not documented, so the client always sends all four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DetailOptions {
    /// Transit, institution and account numbers.
    pub with_account_identity: bool,
    /// The holder of each account.
    #[serde(rename = "WithKYC")]
    pub with_kyc: bool,
    pub with_transactions: bool,
    pub days_of_transactions: Days,
}

/// How far back the transactions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Days {
    Days90,
    Days365,
}

impl Default for DetailOptions {
    fn default() -> Self {
        Self {
            with_account_identity: true,
            with_kyc: true,
            with_transactions: true,
            days_of_transactions: Days::Days365,
        }
    }
}

/// Authorize, in cached mode.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Authorize<'a> {
    pub(crate) login_id: &'a str,
    pub(crate) most_recent_cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<&'a str>,
}

/// GetAccountsDetail.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountsDetail<'a> {
    pub(crate) request_id: &'a str,
    #[serde(flatten)]
    pub(crate) options: DetailOptions,
}
