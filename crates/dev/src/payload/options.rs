//! Options for a generated payload.

/// Properties of a payload. The generator makes up the missing ones, and ignores those that the kind does not have.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Maximum length in bytes. The payload gets as many transactions, holders, documents or accounts as fit. If even
    /// the smallest payload of the kind is longer, the result is that one. `None` means a few items.
    pub size: Option<usize>,
    /// `Tag`.
    pub tag: Option<String>,
    /// `Login.Id`, or `Login.LoginId` of a fraud alert.
    pub login_id: Option<String>,
}
