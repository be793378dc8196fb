//! The payloads of the aggregation products: the fields that they share, and their lists.

use rand::{Rng, RngExt};
use serde::Serialize;

use super::{
    account::Account,
    item::{Extent, Item, item, json, length, list},
    options::Options,
    person::Person,
    text::{id, moment, tag},
};

/// The payload with the `ResponseType` `KYC`.
pub fn kyc(options: &Options, rng: &mut impl Rng) -> String {
    let person = Person::any(rng);
    let mut payload = Payload::new("KYC", &person, options, rng);
    payload.holders = Some(Vec::new());
    let extent = payload.extent(options, rng.random_range(1..=2));
    let mut first = Some(person);
    payload.holders = Some(list(extent, || first.take().unwrap_or_else(|| Person::any(rng)).holder(rng)));
    json(&payload)
}

/// The payload with the `ResponseType` `GetAccountsDetail`.
pub fn accounts_detail(options: &Options, rng: &mut impl Rng) -> String {
    /// How many transactions an account has if the user gives no size.
    const FEW: std::ops::RangeInclusive<usize> = 3..=12;
    let person = Person::any(rng);
    let mut payload = Payload::new("GetAccountsDetail", &person, options, rng);
    let count = options.size.map_or_else(|| rng.random_range(1..=3), |size| 1 + size / ACCOUNT_BYTES);
    let mut accounts: Vec<_> = (0..count).map(|_| Account::held_by(&person, rng)).collect();
    for account in &mut accounts {
        account.transactions = Some(Vec::new());
    }
    let mut left = options.size.map(|size| {
        let without_transactions = json(&payload).len() + ",\"Accounts\":".len() + json(&accounts).len();
        size.saturating_sub(without_transactions)
    });
    for (index, account) in accounts.iter_mut().enumerate() {
        let share = left.map(|left| left / (count - index));
        let mut history = account.history();
        let extent = share.map_or_else(|| Extent::Items(rng.random_range(FEW)), Extent::Bytes);
        let transactions = list(extent, || history.next(rng));
        left = left.map(|left| left.saturating_sub(length(&transactions)));
        account.transactions = Some(transactions);
    }
    payload.accounts = Some(accounts.iter().filter_map(item).collect());
    json(&payload)
}

/// The size of about 1500 transactions. A larger payload gets more accounts instead of more transactions in one
/// account.
const ACCOUNT_BYTES: usize = 275_000;

/// The payload with the `ResponseType` `Investments`, without positions, because Flinks does not publish their shape.
pub fn investments(options: &Options, rng: &mut impl Rng) -> String {
    let person = Person::any(rng);
    json(&Payload::new("Investments", &person, options, rng))
}

/// The payload with the `ResponseType` `GetAccountsSummary`: accounts without transactions.
pub fn accounts_summary(options: &Options, rng: &mut impl Rng) -> String {
    let person = Person::any(rng);
    let mut payload = Payload::new("GetAccountsSummary", &person, options, rng);
    payload.accounts = Some(Vec::new());
    let extent = payload.extent(options, rng.random_range(1..=3));
    payload.accounts = Some(list(extent, || Account::held_by(&person, rng)));
    json(&payload)
}

/// The fields in the order of the published sample.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    response_type: &'static str,
    http_status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    holders: Option<Vec<Item>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Vec<Item>>,
    tag: String,
    login: Login,
    #[serde(skip_serializing_if = "Option::is_none")]
    institution_id: Option<u32>,
    institution: &'static str,
    request_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Login {
    username: String,
    is_scheduled_refresh: bool,
    last_refresh: String,
    #[serde(rename = "Type")]
    login_type: &'static str,
    id: String,
}

impl Payload {
    fn new(response_type: &'static str, person: &Person, options: &Options, rng: &mut impl Rng) -> Self {
        /// .NET's ticks have seven digits after the decimal point.
        const TICK_DIGITS: usize = 7;
        let zone = if rng.random_bool(0.5) { "Z" } else { "" };
        Self {
            response_type,
            http_status_code: 200,
            holders: None,
            accounts: None,
            tag: options.tag.clone().unwrap_or_else(|| tag(rng)),
            login: Login {
                username: person.account.replace('.', "_"),
                is_scheduled_refresh: rng.random_ratio(1, 4),
                last_refresh: moment(TICK_DIGITS, rng) + zone,
                login_type: "Personal",
                id: options.login_id.clone().unwrap_or_else(|| id(rng)),
            },
            institution_id: rng.random_ratio(3, 4).then_some(14),
            // Flinks' test bank.
            institution: "FlinksCapital",
            request_id: id(rng),
        }
    }

    /// The length that the payload's list may have. The list must be present and empty.
    fn extent(&self, options: &Options, few: usize) -> Extent {
        options.size.map_or(Extent::Items(few), |size| Extent::Bytes(size.saturating_sub(json(self).len())))
    }
}
