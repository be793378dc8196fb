//! The operations, and which one a request is for.

use hyper::{Method, Uri};

use crate::credentials::CUSTOMER_ID;

/// An endpoint of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    GenerateAuthorizeToken,
    Authorize,
    GetAccountsDetail,
    GetAccountsDetailAsync,
}

/// Where a request goes.
pub(crate) enum Route {
    /// The operation, and what follows its name in the path.
    To(Operation, String),
    /// Another customer's path.
    OtherCustomer,
    Unknown,
}

/// Finds the operation of a request.
pub(crate) fn route(method: &Method, uri: &Uri) -> Route {
    let mut parts = uri.path().split('/').skip(1);
    let (Some("v3"), Some(customer), Some("BankingServices"), Some(name)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Route::Unknown;
    };
    let (argument, more) = (parts.next(), parts.next());
    let operation = match (method, name, argument, more) {
        (&Method::POST, "GenerateAuthorizeToken", None, None) => Operation::GenerateAuthorizeToken,
        (&Method::POST, "Authorize", None, None) => Operation::Authorize,
        (&Method::POST, "GetAccountsDetail", None, None) => Operation::GetAccountsDetail,
        (&Method::GET, "GetAccountsDetailAsync", Some(_), None) => Operation::GetAccountsDetailAsync,
        _ => return Route::Unknown,
    };
    if customer == CUSTOMER_ID {
        Route::To(operation, argument.unwrap_or_default().to_owned())
    } else {
        Route::OtherCustomer
    }
}
