//! What each FlinksCode means for a recovery: the one table.
//!
//! Flinks documents the codes. What to do is inferred from their descriptions, except for polling. Flinks does not
//! document the HTTP status of every code, so a code means the same with any status.

/// What to do after a FlinksCode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The data are processed: poll with the same RequestId. Authorize does not process data, so there it means
    /// [`Action::RetrySoon`].
    Poll,
    /// The RequestId is used up or too old: begin again with a new Authorize.
    NewSession,
    /// Begin again soon: something else is busy.
    RetrySoon,
    /// Begin again after a time that doubles with each attempt: Flinks throttles, or the bank does not respond.
    BackOff,
    /// Begin again, but only a few times.
    RetryFewTimes,
    /// Begin again in hours.
    RetryMuchLater,
    /// Only the person can go on, in Flinks Connect.
    NeedsUser,
    /// There is no such login any more.
    Gone,
    /// An operator must look. A retry does not help.
    Stop,
}

/// What is known of a FlinksCode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub code: &'static str,
    pub action: Action,
    /// Whether the code can be about the login's last live attempt. A cached Authorize repeats such an error, with a
    /// RequestId that works. Documented for QUESTION_NOT_FOUND as an example. Inferred for the others: all codes that are
    /// about the bank or the person, and not about this request.
    pub is_replayed: bool,
}

const fn row(code: &'static str, action: Action) -> Row {
    Row { code, action, is_replayed: false }
}

const fn replayed(code: &'static str, action: Action) -> Row {
    Row { code, action, is_replayed: true }
}

/// The table.
pub const TABLE: [Row; 25] = [
    // Wait.
    row("OPERATION_PENDING", Action::Poll),
    row("OPERATION_DISPATCHED", Action::Poll),
    // Begin again.
    row("SESSION_NONEXISTENT", Action::NewSession),
    row("SESSION_EXPIRED", Action::NewSession),
    row("ALREADY_AUTHORIZED", Action::NewSession),
    row("CARD_IN_USE", Action::RetrySoon),
    row("CONCURRENT_SESSION", Action::RetrySoon),
    row("TOO_MANY_REQUESTS", Action::BackOff),
    replayed("RETRY_LATER", Action::BackOff),
    replayed("AGGREGATION_ERROR", Action::RetryFewTimes),
    replayed("DISABLED_INSTITUTION", Action::RetryMuchLater),
    // The person must act.
    replayed("QUESTION_NOT_FOUND", Action::NeedsUser),
    replayed("INVALID_USERNAME", Action::NeedsUser),
    replayed("INVALID_PASSWORD", Action::NeedsUser),
    replayed("INVALID_SECURITY_RESPONSE", Action::NeedsUser),
    replayed("UNKNOWN_CHALLENGE_KEY", Action::NeedsUser),
    replayed("SECURITYRESPONSES_INCOMPLETE", Action::NeedsUser),
    replayed("NEW_ACCOUNT", Action::NeedsUser),
    replayed("DISABLED_LOGIN", Action::NeedsUser),
    // Stop.
    row("INVALID_LOGIN", Action::Gone),
    row("INVALID_REQUEST", Action::Stop),
    // Either may also mean that the bank refused. Our credentials are the safer guess: an operator sees it.
    row("ACCESS_DENIED", Action::Stop),
    row("UNAUTHORIZED", Action::Stop),
    row("METHOD_NOT_AVAILABLE", Action::Stop),
    // There is nothing to recover, or too little.
    row("NO_TRANSACTION", Action::Stop),
];

/// The row of a code. A code that ends in `_NO_RETRY` means the same for a recovery as the code without it. `None` for
/// an unknown code: then the HTTP status decides.
pub fn find(code: &str) -> Option<Row> {
    let code = code.strip_suffix("_NO_RETRY").unwrap_or(code);
    TABLE.into_iter().find(|row| row.code == code)
}
