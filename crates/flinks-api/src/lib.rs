//! A client for the part of Flinks' API that recovers the data of a lost callback.
//!
//! [`FlinksApi::authorize_cached`] opens a session for a LoginId. [`FlinksApi::accounts_detail`] asks for its data, and
//! [`FlinksApi::accounts_detail_async`] polls for them. Each method makes one attempt. A [`Failure`] says what to do
//! next, and the caller decides when.
//!
//! ```no_run
//! use flinks_api::{Credentials, Failure, FinalResponse, FlinksApi, Settings, limits};
//!
//! # async fn example() -> Result<FinalResponse, Box<dyn std::error::Error>> {
//! let credentials = Credentials::new("the secret key", "the API key")?;
//! let settings = Settings::new("https://example-api.private.fin.ag", "the customer id", credentials)?;
//! let flinks = FlinksApi::new(settings)?;
//! let session = flinks.authorize_cached("the LoginId").await?;
//! let mut detail = flinks.accounts_detail(&session.request_id).await;
//! while let Err(Failure::NotReady(_)) = detail {
//!     tokio::time::sleep(limits::POLL_INTERVAL).await;
//!     detail = flinks.accounts_detail_async(&session.request_id).await;
//! }
//! # Ok(detail?)
//! # }
//! ```
//!
//! # What is documented, and what is inferred
//!
//! [`codes`] says what each FlinksCode means, and `src/verdict.rs` what a response means without a known code. [`limits`]
//! has the time limits and the size limit. [`Headers`] has the headers, [`DetailOptions`] the fields of the request. Each
//! says what Flinks documents. Everything else is marked as inferred, where it stands.
//!
//! # What never appears in an error, or in what `Debug` prints
//!
//! A payload or a part of it, a token, a credential, a RequestId, a LoginId. Nothing is logged.

mod call;
mod client;
pub mod codes;
mod failure;
mod final_response;
mod flinks_code;
pub mod limits;
mod request;
mod request_id;
mod response;
mod settings;
mod transport;
mod verdict;

pub use client::{FlinksApi, Session};
pub use failure::{Cause, Failure, Pace};
pub use final_response::FinalResponse;
pub use flinks_code::FlinksCode;
pub use request::{Days, DetailOptions};
pub use request_id::RequestId;
pub use settings::{Credentials, Header, Headers, Settings, SettingsError};
