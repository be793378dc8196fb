//! Account aggregation: who the customer is, and the accounts.

use std::fmt;

use serde_json::value::RawValue;

use super::object;
use crate::{
    date::DateText,
    fields::Scalar,
    number::{Money, Number},
    read::{FromJson, Reader},
};

object! {
    /// Who the customer is. Flinks sends it as soon as the bank has given it, before the accounts.
    pub struct Kyc {
        /// `KYC`.
        "ResponseType" => response_type: String,
        /// Flinks' own status: not 200 if Flinks could not get the data.
        "HttpStatusCode" => http_status_code: i64,
        /// The people who hold the accounts.
        "Holders" => holders: Vec<Holder>,
        /// What the front end gave Flinks Connect. It does not authenticate anybody, and may be personal data.
        "Tag" => tag: String,
        /// The connection to the bank.
        "Login" => login: Login,
        /// Inferred: documented for GetAccountsDetail only. The bank's number at Flinks.
        "InstitutionId" => institution_id: i64,
        /// Flinks' identifier for the bank, such as `FlinksCapital`.
        "Institution" => institution: String,
        /// The id of the request at Flinks. A recovered payload has a different id.
        "RequestId" => request_id: String,
        /// Inferred: documented for the API's errors. Why Flinks could not get the data, such as `INVALID_LOGIN`.
        "FlinksCode" => flinks_code: String,
        /// Inferred: documented for the API's errors. The same in words.
        "Message" => message: String,
    }
}

object! {
    /// The accounts with their transactions.
    pub struct AccountsDetail {
        /// `GetAccountsDetail`.
        "ResponseType" => response_type: String,
        /// Flinks' own status: not 200 if Flinks could not get the data.
        "HttpStatusCode" => http_status_code: i64,
        /// The accounts.
        "Accounts" => accounts: Vec<Account>,
        /// What the front end gave Flinks Connect. It does not authenticate anybody, and may be personal data.
        "Tag" => tag: String,
        /// The connection to the bank.
        "Login" => login: Login,
        /// The bank's number at Flinks.
        "InstitutionId" => institution_id: i64,
        /// Flinks' identifier for the bank, such as `FlinksCapital`.
        "Institution" => institution: String,
        /// The bank's name.
        "InstitutionName" => institution_name: String,
        /// The id of the request at Flinks. A recovered payload has a different id.
        "RequestId" => request_id: String,
        /// Inferred: documented for the API's errors. Why Flinks could not get the data, such as `INVALID_LOGIN`.
        "FlinksCode" => flinks_code: String,
        /// Inferred: documented for the API's errors. The same in words.
        "Message" => message: String,
    }
}

object! {
    /// Investments. Flinks does not publish the securities, positions and transactions of this payload, so only the
    /// fields that all aggregation payloads share are here. Flinks retired the product on 30 April 2026.
    pub struct Investments {
        /// `Investments`.
        "ResponseType" => response_type: String,
        /// Inferred from the other payloads. Flinks' own status.
        "HttpStatusCode" => http_status_code: i64,
        /// What the front end gave Flinks Connect. It does not authenticate anybody, and may be personal data.
        "Tag" => tag: String,
        /// Inferred from the other payloads. The connection to the bank.
        "Login" => login: Login,
        /// Inferred from the other payloads. The bank's number at Flinks.
        "InstitutionId" => institution_id: i64,
        /// Inferred from the other payloads. Flinks' identifier for the bank, such as `FlinksCapital`.
        "Institution" => institution: String,
        /// Inferred from the other payloads. The id of the request at Flinks.
        "RequestId" => request_id: String,
        /// Inferred: documented for the API's errors. Why Flinks could not get the data, such as `INVALID_LOGIN`.
        "FlinksCode" => flinks_code: String,
        /// Inferred: documented for the API's errors. The same in words.
        "Message" => message: String,
    }
}

object! {
    /// A customer's connection to a bank.
    pub struct Login {
        /// The customer's user name at the bank: personal data.
        "Username" => username: String,
        /// Whether a nightly refresh fetched the data.
        "IsScheduledRefresh" => is_scheduled_refresh: bool,
        /// When the data was fetched: seven fractional digits, with `Z` or without a zone.
        "LastRefresh" => last_refresh: DateText,
        /// `Personal` in the published samples.
        "Type" => login_type: String,
        /// The LoginId. It stays the same over refreshes, and several of your users can share it.
        "Id" => id: String,
    }
}

object! {
    /// A person who holds an account.
    pub struct Holder {
        /// First and last name.
        "Name" => name: String,
        /// Where the person lives.
        "Address" => address: Address,
        /// Mail address.
        "Email" => email: String,
        /// Telephone number.
        "PhoneNumber" => phone_number: String,
    }
}

object! {
    /// A holder's address.
    pub struct Address {
        /// Number and street.
        "CivicAddress" => civic_address: String,
        /// City.
        "City" => city: String,
        /// Province, such as `ON`.
        "Province" => province: String,
        /// Postal code.
        "PostalCode" => postal_code: String,
        /// Post-office box.
        "POBox" => po_box: String,
        /// Country, such as `CA`.
        "Country" => country: String,
    }
}

object! {
    /// A bank account.
    pub struct Account {
        /// The transactions.
        "Transactions" => transactions: Vec<Transaction>,
        /// The branch. A string; older payloads have a number, which lost its leading zeros.
        "TransitNumber" => transit_number: Scalar,
        /// The bank. A string; older payloads have a number, which lost its leading zeros.
        "InstitutionNumber" => institution_number: Scalar,
        /// How far the account may be overdrawn.
        "OverdraftLimit" => overdraft_limit: Money,
        /// The account's name at the bank.
        "Title" => title: String,
        /// The account's number at the branch.
        "AccountNumber" => account_number: String,
        /// The end of the account's or the card's number.
        "LastFourDigits" => last_four_digits: String,
        /// What is on the account.
        "Balance" => balance: Balance,
        /// What the account is for, such as `Operations`.
        "Category" => category: String,
        /// What sort of account it is, such as `Chequing`.
        "Type" => account_kind: String,
        /// The currency of all its amounts, such as `CAD`.
        "Currency" => currency: String,
        /// Who holds the account. An object; older payloads have the name alone.
        "Holder" => holder: AccountHolder,
        /// `Personal` or `Business`.
        "AccountType" => account_type: String,
        /// The account's id at Flinks.
        "Id" => id: String,
        /// Inferred: documented for GetAccountsSummary. How likely an EFT payment works, from 0 to 1.
        "EftEligibleRatio" => eft_eligible_ratio: Number,
        /// Inferred: documented for GetAccountsSummary. How likely an Interac e-Transfer works, from 0 to 1.
        "ETransferEligibleRatio" => e_transfer_eligible_ratio: Number,
    }
}

object! {
    /// What is on an account.
    pub struct Balance {
        /// What can be spent.
        "Available" => available: Money,
        /// The account's current balance.
        "Current" => current: Money,
        /// The limit of a credit account.
        "Limit" => limit: Money,
    }
}

object! {
    /// A transaction. It can have a debit and a credit.
    pub struct Transaction {
        /// The day: `YYYY-MM-DD` or `YYYY/MM/DD`.
        "Date" => date: DateText,
        /// The bank's code.
        "Code" => code: String,
        /// What the bank says about it.
        "Description" => description: String,
        /// What went out.
        "Debit" => debit: Money,
        /// What came in.
        "Credit" => credit: Money,
        /// What was on the account afterwards.
        "Balance" => balance: Money,
        /// The transaction's id at Flinks.
        "Id" => id: String,
    }
}

/// Who holds an account.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema), schemars(untagged))]
pub enum AccountHolder {
    /// A person.
    Person(Box<Holder>),
    /// Only a name, as in older payloads.
    Name(String),
}

impl AccountHolder {
    /// The holder's name, whichever form it has.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Person(holder) => holder.name.as_deref(),
            Self::Name(name) => Some(name),
        }
    }
}

impl fmt::Debug for AccountHolder {
    /// Without the values: they are bank data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Person(_) => "Person(..)",
            Self::Name(_) => "Name(..)",
        })
    }
}

impl FromJson for AccountHolder {
    fn from_json(json: &RawValue, reader: &mut Reader) -> Option<Self> {
        if json.get().starts_with('"') {
            return String::from_json(json, reader).map(Self::Name);
        }
        Holder::from_json(json, reader).map(Box::new).map(Self::Person)
    }
}
