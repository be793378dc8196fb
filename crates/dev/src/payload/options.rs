//! What the caller of a generator may choose.

/// What a payload is to be like. What is not given is made up; what the kind does not have is left out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Length in bytes: the payload comes to that, less at most one more transaction (holder, document, account). One
    /// that is below the smallest of its kind gives the smallest. `None` for a few items.
    pub size: Option<usize>,
    /// `Tag`.
    pub tag: Option<String>,
    /// `Login.Id`; `Login.LoginId` of a fraud alert.
    pub login_id: Option<String>,
}
