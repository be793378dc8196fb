//! Flinks' API on loopback, in this process, for tests and for running a program that uses it without an instance of
//! Flinks.
//!
//! ```
//! use local_flinks::{Behaviour, Calls, Fault, LocalFlinks, Login, Operation};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let flinks = LocalFlinks::start().await?;
//! let login = Login::new("6b818cd8-359f-41c8-2246-08de0113edf4").behaves(Behaviour::QUICKLY_READY);
//! flinks.add_login(login);
//! flinks.fault(Operation::Authorize, Calls::Next(1), Fault::THROTTLE);
//! // Run the program with flinks.endpoint(), CUSTOMER_ID, SECRET_KEY and API_KEY, then:
//! assert_eq!(flinks.calls(Operation::Authorize), 0);
//! # Ok(())
//! # }
//! ```
//!
//! A test in virtual time cannot use sockets, because tokio's clock does not wait for them. It uses
//! [`LocalFlinks::detached`], and gives [`LocalFlinks::connector`] to its HTTP client.
//!
//! # What is served
//!
//! Below `/v3/{customerId}/BankingServices/`:
//!
//! | endpoint | credential | responses |
//! |---|---|---|
//! | `POST GenerateAuthorizeToken` | `flinks-auth-key`: the secret key | 200 with a token for one use |
//! | `POST Authorize` | `flinks-auth-key`: the token | 200 with a new RequestId, 203 if the user must respond, or an error |
//! | `POST GetAccountsDetail` | `x-api-key` | 200 with the data, 202, or an error |
//! | `GET GetAccountsDetailAsync/{requestId}` | `x-api-key` | as `GetAccountsDetail`; only after its 202 |
//!
//! The [logins](Login) are [Flinks' test users](Login::test_users), [examples](Login::examples) of other behaviour, and
//! those that the caller adds. All people are made up.
//!
//! # Rules
//!
//! Flinks documents these rules:
//!
//! - A token is for one Authorize. The next step of the same MFA dialogue sends it again.
//! - Each Authorize makes a new RequestId.
//! - A cached Authorize of a login whose last live attempt failed repeats that error, with a RequestId that works.
//! - A 202 has `OPERATION_PENDING`, or `OPERATION_DISPATCHED` after 210 seconds. The latter may have a part of the data.
//! - While one call waits for a login's data, another call for the same login gets `OPERATION_PENDING`.
//! - Throttling is a 401 with `TOO_MANY_REQUESTS`.
//!
//! Where Flinks' pages disagree, this server follows the strictest: a token expires 15 minutes after it was made, a
//! RequestId 8 minutes after its last use, or 30 minutes after its first 202, and it ends with the final 200. An
//! expired or unknown RequestId is a 400 with `SESSION_NONEXISTENT`.
//!
//! These rules are inferred, because Flinks publishes nothing about them:
//!
//! - `GetAccountsDetailAsync` without a 202 before it is a 400 with `INVALID_REQUEST`.
//! - A wrong customer is a 401 with `UNAUTHORIZED`. Any other path is a 404 with an HTML page.
//! - `test_dispatched` responds at once, and its data are there 20 seconds later.
//!
//! All times follow tokio's clock, which a test can pause and move.
//!
//! # Limits
//!
//! - **Not secure.** The credentials are public. It listens on loopback by default; keep it there. It rejects requests
//!   with `Origin`, because a page in a browser could send them.
//! - **Not durable.** Everything is in memory.
//! - **Not all of Flinks.** There is no Connect, no DeleteCard by HTTP and no Attributes. It sends no callbacks. Of the
//!   options of GetAccountsDetail, `WithTransactions` and `AccountsFilter` have an effect.

mod account;
mod authorize;
mod connector;
mod credentials;
mod detail;
mod dispatch;
mod fault;
mod local;
mod login;
mod operation;
mod response;
mod server;
mod session;
mod state;
mod sync;

pub use connector::{Connector, Pipe};
pub use credentials::{API_KEY, CUSTOMER_ID, SECRET_KEY};
pub use dispatch::Exchange;
pub use fault::{Calls, Fault};
pub use local::LocalFlinks;
pub use login::{Behaviour, Login, SYNCHRONOUS_LIMIT};
pub use operation::Operation;
