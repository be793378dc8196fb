//! The data behind a login: made-up accounts, and how a body is put together.

use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// The members of a JSON object in their order, with the text of their values.
pub(crate) type Members = Vec<(String, Box<RawValue>)>;

/// What each response needs besides the login.
pub(crate) struct For<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) tag: Option<&'a str>,
}

/// `Login` as Flinks writes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LoginSummary<'a> {
    pub(crate) username: &'a str,
    pub(crate) is_scheduled_refresh: bool,
    pub(crate) last_refresh: &'a str,
    #[serde(rename = "Type")]
    pub(crate) login_type: &'a str,
    pub(crate) id: &'a str,
}

/// An element of `Accounts`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    transactions: Vec<Transaction>,
    transit_number: &'static str,
    institution_number: &'static str,
    overdraft_limit: u32,
    title: &'static str,
    account_number: String,
    last_four_digits: Option<String>,
    balance: Balance,
    category: &'static str,
    #[serde(rename = "Type")]
    account_type_name: &'static str,
    currency: &'static str,
    holder: Holder,
    account_type: Option<&'static str>,
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Balance {
    available: f64,
    current: f64,
    limit: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Holder {
    name: &'static str,
    address: Address,
    email: &'static str,
    phone_number: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    civic_address: &'static str,
    city: &'static str,
    province: &'static str,
    postal_code: &'static str,
    #[serde(rename = "POBox")]
    po_box: Option<&'static str>,
    country: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Transaction {
    date: String,
    code: Option<String>,
    description: String,
    debit: Option<f64>,
    credit: Option<f64>,
    balance: f64,
    id: String,
}

const HOLDER: Holder = Holder {
    name: "Zoé Échantillon",
    address: Address {
        civic_address: "1 rue de l'Exemple",
        city: "Montréal",
        province: "QC",
        postal_code: "H0H 0H0",
        po_box: None,
        country: "CA",
    },
    email: "zoe@example.com",
    phone_number: "5145550100",
};

/// The members of a made-up body: one account for each started 250,000 bytes, with at least two transactions.
pub(crate) fn made_up(login: &LoginSummary<'_>, bytes: usize) -> Members {
    const ACCOUNT_BYTES: usize = 250_000;
    /// The length of one transaction, or less.
    const TRANSACTION_BYTES: usize = 150;
    let accounts = bytes.div_ceil(ACCOUNT_BYTES).max(1);
    let transactions = (bytes / accounts / TRANSACTION_BYTES).saturating_add(2);
    let accounts: Vec<_> = (0..accounts).map(|number| account(number, transactions)).collect();
    let members = [
        ("HttpStatusCode", to_raw_value(&200)),
        ("Accounts", to_raw_value(&accounts)),
        ("InstitutionName", to_raw_value("FlinksCapital")),
        ("Login", to_raw_value(login)),
        ("InstitutionId", to_raw_value(&14)),
        ("Institution", to_raw_value("FlinksCapital")),
    ];
    // Serialisation fails only for maps whose keys are not strings, and there are none here.
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.ok()?))).collect()
}

fn account(number: usize, transactions: usize) -> Account {
    Account {
        transactions: (0..transactions).map(|index| transaction(number, index)).collect(),
        transit_number: "77777",
        // The published sample uses this number, and no bank has it.
        institution_number: "777",
        overdraft_limit: 0,
        title: "Compte chèques",
        account_number: format!("{:07}", number.saturating_add(1_111_000)),
        last_four_digits: None,
        balance: Balance { available: 38_000.0, current: 37_700.25, limit: None },
        category: "Operations",
        account_type_name: "Chequing",
        currency: "CAD",
        holder: HOLDER,
        account_type: Some("Personal"),
        id: id(number, 0),
    }
}

fn transaction(account: usize, index: usize) -> Transaction {
    let is_pay = index.is_multiple_of(14);
    let description = if is_pay { "EXAMPLE PAYROLL" } else { "ÉPICERIE DE L'EXEMPLE" };
    Transaction {
        date: format!("2026-{:02}-{:02}", 9 - index / 28 % 9, 28 - index % 28),
        code: None,
        description: format!("{description} {index:04}"),
        debit: (!is_pay).then_some(42.1),
        credit: is_pay.then_some(500.0),
        balance: 37_700.25,
        id: id(account, index.saturating_add(1)),
    }
}

fn id(account: usize, index: usize) -> String {
    format!("f1a45000-0000-4000-9{:03}-{index:012}", account % 1000)
}

/// The members of a JSON object. `None` if the text is anything else.
pub(crate) fn members(text: &str) -> Option<Members> {
    struct Collect;
    impl<'de> Visitor<'de> for Collect {
        type Value = Members;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Collect).ok()
}

/// The body with the RequestId of this session, and with its tag if it has one.
pub(crate) fn object(mut members: Members, response: &For<'_>) -> Bytes {
    let tag = response.tag.and_then(|tag| to_raw_value(tag).ok());
    for (name, value) in [("Tag", tag), ("RequestId", to_raw_value(response.request_id).ok())] {
        let Some(value) = value else { continue };
        match members.iter_mut().find(|(member, _)| member == name) {
            Some(member) => member.1 = value,
            None => members.push((name.to_owned(), value)),
        }
    }
    let mut body = String::from("{");
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        body.push_str(&serde_json::to_string(name).unwrap_or_default());
        body.push(':');
        body.push_str(value.get());
    }
    body.push('}');
    body.into()
}
