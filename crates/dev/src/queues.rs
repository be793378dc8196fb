//! `cargo dev queues`, `peek`, `redrive` and `forget`: tools for the queues and dead letters of the local stack or of a
//! deployed one.

mod connection;
mod depth;
mod failed_call;
mod forget;
mod message;
mod object;
mod peek;
mod redrive;

pub use connection::Target;
pub use depth::{QueuesArguments, run as queues};
pub(crate) use failed_call::reason;
pub use forget::{ForgetArguments, run as forget};
pub use peek::{PeekArguments, run as peek};
pub use redrive::{RedriveArguments, run as redrive};

use flinks_webhooks::routing::Kind;

/// Parses QUEUE: the kind's label or the queue's logical name, in any case.
fn kind(name: &str) -> Result<Kind, String> {
    let is_meant = |kind: &Kind| name.eq_ignore_ascii_case(kind.label()) || name.eq_ignore_ascii_case(kind.queue());
    Kind::ALL.into_iter().find(is_meant).ok_or_else(|| {
        let known = Kind::ALL.map(|kind| format!("{} ({})", kind.label(), kind.queue()));
        format!("there is no such queue; the queues are {}", known.join(", "))
    })
}
