//! Words that Flinks documents. Each list may grow, so the fields that have them are strings.

/// `status` of a session of Flinks Pay.
pub mod session_status {
    pub const COMPLETED: &str = "Completed";
    pub const FAILED: &str = "Failed";
    pub const CANCELED: &str = "Canceled";
}

/// `statusDetails` of a session of Flinks Pay.
pub mod session_status_details {
    /// Of a completed session.
    pub const COMPLETED: [&str; 2] = ["EFT0301", "EFT0302"];
    /// Of a failed session.
    pub const FAILED: [&str; 4] = ["EFT0401", "EFT0402", "EFT0403", "EFT0404"];
    /// Of a canceled session.
    pub const CANCELED: [&str; 1] = ["EFT0501"];
}

/// `Status` of an analysed document.
pub mod verdict {
    pub const TRUST: &str = "Trust";
    pub const NORMAL: &str = "Normal";
    pub const WARNING: &str = "Warning";
    pub const HIGH_RISK: &str = "High Risk";
}

/// `AccountType` of an account.
pub mod account_type {
    pub const PERSONAL: &str = "Personal";
    pub const BUSINESS: &str = "Business";
}

/// `Category` of an account. Flinks publishes one, in its sample.
pub mod category {
    pub const OPERATIONS: &str = "Operations";
}

/// `Type` of an account. Flinks publishes one, in its sample.
pub mod account_kind {
    pub const CHEQUING: &str = "Chequing";
}

/// `Currency` of an account. Flinks publishes one, in its sample.
pub mod currency {
    pub const CAD: &str = "CAD";
}

/// `FlinksCode`, as the API's errors have it. No callback with one is published.
pub mod flinks_code {
    pub const ACCESS_DENIED: &str = "ACCESS_DENIED";
    pub const AGGREGATION_ERROR: &str = "AGGREGATION_ERROR";
    pub const CARD_IN_USE: &str = "CARD_IN_USE";
    pub const DISABLED_INSTITUTION: &str = "DISABLED_INSTITUTION";
    pub const DISABLED_LOGIN: &str = "DISABLED_LOGIN";
    pub const INVALID_LOGIN: &str = "INVALID_LOGIN";
    pub const INVALID_PASSWORD: &str = "INVALID_PASSWORD";
    pub const INVALID_REQUEST: &str = "INVALID_REQUEST";
    pub const INVALID_SECURITY_RESPONSE: &str = "INVALID_SECURITY_RESPONSE";
    pub const INVALID_USERNAME: &str = "INVALID_USERNAME";
    pub const NEW_ACCOUNT: &str = "NEW_ACCOUNT";
    pub const OPERATION_DISPATCHED: &str = "OPERATION_DISPATCHED";
    pub const OPERATION_PENDING: &str = "OPERATION_PENDING";
    pub const QUESTION_NOT_FOUND: &str = "QUESTION_NOT_FOUND";
    pub const RETRY_LATER: &str = "RETRY_LATER";
    pub const SESSION_NONEXISTENT: &str = "SESSION_NONEXISTENT";
    pub const TOO_MANY_REQUESTS: &str = "TOO_MANY_REQUESTS";
    pub const UNAUTHORIZED: &str = "UNAUTHORIZED";
    pub const UNKNOWN_CHALLENGE_KEY: &str = "UNKNOWN_CHALLENGE_KEY";
}
