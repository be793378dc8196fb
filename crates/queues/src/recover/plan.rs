//! What to do with each LoginId, from what the bucket says of earlier requests.

use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    super::connection::{Connection, Recovery},
    input::{Request, Requests},
    outcome::{self, Objects, Outcome},
};
use flinks_dev::failure::Failure;

/// How many logins to look at at the same time.
pub const AT_ONCE: usize = 16;
/// An outcome is recent for this long.
const RECENT: Duration = Duration::from_secs(24 * 60 * 60);
/// A request is on its queue for at most this long. Without an outcome, it is lost after that.
const RETENTION: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What to do, in the order of the input.
pub struct Plan {
    pub steps: Vec<Step>,
    pub duplicates: usize,
    pub conflicts: Vec<String>,
}

/// What to do with one LoginId.
pub struct Step {
    pub request: Request,
    pub action: Action,
    /// The newest outcome, if it is recent. Without --again, a login whose data were recovered is not sent.
    pub recent: Option<Outcome>,
    /// Why the newest outcome cannot be read. It counts as not recent then.
    pub unreadable: Option<String>,
    /// The login's objects before anything was sent.
    pub known: Objects,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Send,
    /// A request waits since then, in seconds since 1970. Perhaps it was not sent.
    Waiting {
        since: i64,
        is_sent: bool,
    },
    /// The data were recovered within a day.
    Recovered,
}

impl Plan {
    /// Looks at the objects of each login.
    ///
    /// # Errors
    /// If the bucket cannot be read.
    pub async fn make(
        connection: &Connection,
        place: &Recovery,
        requests: Requests,
        again: bool,
        now: SystemTime,
    ) -> Result<Self, Failure> {
        let Requests { list, duplicates, conflicts } = requests;
        let steps = stream::iter(list).map(|request| step(connection, place, request, again, now));
        let steps = steps.buffered(AT_ONCE).try_collect().await;
        let steps = steps.map_err(|why: String| {
            Failure::usage(format!("cannot read s3://{}/recovery/, so nothing is sent: {why}", place.bucket))
        })?;
        Ok(Self { steps, duplicates, conflicts })
    }
}

async fn step(
    connection: &Connection,
    place: &Recovery,
    request: Request,
    again: bool,
    now: SystemTime,
) -> Result<Step, String> {
    let known = Objects::list(connection, &place.bucket, &request.login_id).await?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let is_within = |time: i64, limit: Duration| time.saturating_add_unsigned(limit.as_secs()).cast_unsigned() > now;
    let (recent, unreadable) = match known.outcomes.last() {
        Some((key, written)) if is_within(*written, RECENT) => {
            match outcome::read(connection, &place.bucket, key).await {
                Ok(outcome) => (Some(outcome), None),
                Err(why) => (None, Some(why)),
            }
        }
        _ => (None, None),
    };
    let waiting = known.waiting_since().filter(|noted| is_within(*noted, RETENTION));
    let action = match (again, waiting, &recent) {
        (false, Some(since), _) => Action::Waiting { since, is_sent: known.is_sent() },
        (false, None, Some(recent)) if recent.is_recovered() => Action::Recovered,
        _ => Action::Send,
    };
    Ok(Step { request, action, recent, unreadable, known })
}
