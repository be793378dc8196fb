//! Made-up accounts and their transactions.

use rand::{Rng, RngExt};
use serde::Serialize;

use super::{
    item::Item,
    person::{Holder, Person},
    text::{Amount, any, day, digits, id},
};

/// An element of `Accounts`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Account {
    /// `None` if the payload has accounts without transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions: Option<Vec<Item>>,
    transit_number: String,
    institution_number: &'static str,
    overdraft_limit: Amount,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    eft_eligible_ratio: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e_transfer_eligible_ratio: Option<Amount>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Balance {
    available: Option<Amount>,
    current: Amount,
    limit: Option<Amount>,
}

impl Account {
    /// Makes up an account without transactions.
    pub fn held_by(person: &Person, rng: &mut impl Rng) -> Self {
        let (title, category, account_type_name) = any(&TYPES, rng);
        let current = Amount::up_to(50_000, rng);
        let number = digits(7, rng);
        let ratio = rng.random_ratio(1, 4).then(|| Amount(rng.random_range(0..=100)));
        Self {
            transactions: None,
            transit_number: digits(5, rng),
            // The published sample uses this number, and no bank has it.
            institution_number: "777",
            overdraft_limit: Amount(rng.random_range(0..=10) * 10_000),
            title,
            last_four_digits: rng.random_bool(0.5).then(|| number.chars().skip(3).collect()),
            account_number: number,
            balance: Balance {
                available: rng.random_ratio(7, 8).then_some(current),
                current,
                limit: (category == "Credits").then(|| Amount(rng.random_range(1..=20) * 100_000)),
            },
            category,
            account_type_name,
            currency: if rng.random_ratio(1, 8) { "USD" } else { "CAD" },
            holder: person.holder(rng),
            account_type: None,
            id: id(rng),
            eft_eligible_ratio: ratio,
            e_transfer_eligible_ratio: ratio,
        }
    }

    /// The account's history, the latest first.
    pub fn history(&self) -> History {
        History { days_ago: 0, balance: self.balance.current }
    }
}

/// An element of `Transactions`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Transaction {
    date: String,
    code: Option<String>,
    description: String,
    debit: Option<Amount>,
    credit: Option<Amount>,
    balance: Amount,
    id: String,
}

/// Makes up transactions from the latest to the earliest, each with the balance after it.
pub struct History {
    days_ago: u32,
    balance: Amount,
}

impl History {
    pub fn next(&mut self, rng: &mut impl Rng) -> Transaction {
        let (what, incoming, dollars) = any(&MOVEMENTS, rng);
        let amount = Amount::up_to(dollars, rng);
        let transaction = Transaction {
            date: day(self.days_ago),
            code: None,
            description: format!("{what} {}", digits(4, rng)),
            debit: (!incoming).then_some(amount),
            credit: incoming.then_some(amount),
            balance: self.balance,
            id: id(rng),
        };
        self.balance.0 += if incoming { -amount.0 } else { amount.0 };
        self.days_ago += rng.random_range(0..2);
        transaction
    }
}

/// Title, `Category` and `Type`. Published samples have only the first row's `Category` and `Type`.
const TYPES: [(&str, &str, &str); 4] = [
    ("Chequing Account", "Operations", "Chequing"),
    ("Compte chèques", "Operations", "Chequing"),
    ("Épargne voyage 🏖️", "Operations", "Savings"),
    ("Carte de crédit", "Credits", "CreditCard"),
];

/// The description, whether the money comes in, and the maximum amount in dollars.
const MOVEMENTS: [(&str, bool, i64); 10] = [
    ("EXAMPLE PAYROLL", true, 3000),
    ("CHILD TAX BENEFIT -CANADA", true, 700),
    ("Electronic Funds Transfer DEPOSIT CANADA", true, 1500),
    ("Dépôt mobile", true, 400),
    ("EXAMPLE GROCERIES", false, 250),
    ("ÉPICERIE DE L'EXEMPLE", false, 180),
    ("Café Échantillon ☕", false, 15),
    ("Fictional Rent", false, 2000),
    ("Virement à Zoé 🎂", false, 120),
    ("EXAMPLE HYDRO", false, 300),
];
