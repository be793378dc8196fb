//! The credentials of the one customer, and the check of a request's credentials.

use hyper::{HeaderMap, StatusCode};

use crate::response::ApiError;

/// The customer's id, a part of every path. It is not a secret.
pub const CUSTOMER_ID: &str = "43387ca6-0391-4c82-857d-70d95f087ecb";

/// The secret key, for `flinks-auth-key` at GenerateAuthorizeToken. Not a real one.
pub const SECRET_KEY: &str = "not-a-real-flinks-secret-key";

/// The key for `x-api-key` at the data endpoints. Not a real one.
pub const API_KEY: &str = "not-a-real-flinks-api-key";

/// The value of `flinks-auth-key`. `None` if it is absent or there more than once.
pub(crate) fn auth_key(headers: &HeaderMap) -> Option<&str> {
    once(headers, "flinks-auth-key")
}

/// Checks the secret key.
pub(crate) fn check_secret_key(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_valid = auth_key(headers) == Some(SECRET_KEY);
    if is_valid { Ok(()) } else { Err(unauthorized("Please provide a valid auth key.")) }
}

/// Checks the key of the data endpoints.
pub(crate) fn check_api_key(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_valid = once(headers, "x-api-key") == Some(API_KEY);
    if is_valid { Ok(()) } else { Err(unauthorized("Please provide a valid API key.")) }
}

pub(crate) fn unauthorized(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
}

fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}
