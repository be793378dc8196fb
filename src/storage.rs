//! The last step: a queue or, failing that, the payload store takes the callback; a [`Receipt`] is the proof.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::{
    answer::Rejection,
    aws_error::AwsError,
    deadline::Deadline,
    kind::Kind,
    message::{Attribute, Message},
    spilled::{self, SpilledKey},
};

/// What the queues leave of the time to answer, so that a payload that they did not take can still be spilled.
const RESERVED_FOR_SPILLING: Duration = Duration::from_millis(2_500);
/// Attempts to put a claim check on its queue, and the pause between them.
const CLAIM_CHECKS: u32 = 3;
const CLAIM_CHECK_PAUSE: Duration = Duration::from_millis(50);

/// The queues, one for each kind.
pub trait Queues {
    /// Does what can be done before the first message, and returns at once: what takes time goes on in the background.
    fn make_ready(&self) {}

    /// Puts one message on the queue of `kind`. Done means that the queue has it.
    fn send(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// The same without a second try: what failed has made one message at most. It is what [`send`](Self::send) does
    /// unless a queue tries again by itself.
    fn send_once(
        &self,
        kind: Kind,
        body: String,
        attributes: &[Attribute],
        group_id: Option<&str>,
    ) -> impl Future<Output = Result<(), AwsError>> + Send {
        self.send(kind, body, attributes, group_id)
    }
}

/// The store for payloads that no queue can carry, or that no queue took.
pub trait PayloadStore {
    /// The bucket's name, for pointers into it.
    fn bucket(&self) -> &str;

    /// Stores an object. Done means that the store has it.
    fn put(
        &self,
        key: &str,
        payload: Bytes,
        metadata: &[(&'static str, &str)],
    ) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// Proof that a callback is stored. Only [`Storage`] makes one.
#[derive(Debug)]
pub struct Receipt {
    how: StoredAs,
}

impl Receipt {
    pub fn how(&self) -> StoredAs {
        self.how
    }
}

/// How a callback is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// On its queue, as it is.
    Inline,
    /// On its queue as a pointer to an object that holds it.
    ClaimCheck,
    /// Only in the payload store, because its queue did not take it: it waits there for redelivery.
    Spilled,
}

impl StoredAs {
    /// The name in logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::ClaimCheck => "claim-check",
            Self::Spilled => "spilled",
        }
    }
}

/// The queues with the store behind them.
pub struct Storage<Q, P> {
    pub queues: Q,
    pub payloads: P,
}

impl<Q: Queues, P: PayloadStore> Storage<Q, P> {
    /// Stores a message: on its queue, else spilled.
    ///
    /// # Errors
    /// [`Rejection::NotStored`] when nothing has confirmed in time that it holds the payload.
    pub async fn store(
        &self,
        message: &Message,
        deadline: Deadline,
        failures: &mut Vec<AwsError>,
    ) -> Result<Receipt, Rejection> {
        match self.enqueue(message, deadline, failures).await {
            Ok(receipt) => Ok(receipt),
            Err(failed) => {
                failures.push(failed);
                self.spill(message, deadline).await.map_err(|failed| {
                    failures.push(failed);
                    Rejection::NotStored
                })
            }
        }
    }

    /// Puts a message on its queue: inline where SQS can carry it, else as a claim check.
    ///
    /// # Errors
    /// When the queue, or the store for a claim check, has not confirmed in time that it has it.
    pub async fn enqueue(
        &self,
        message: &Message,
        deadline: Deadline,
        failures: &mut Vec<AwsError>,
    ) -> Result<Receipt, AwsError> {
        if let Some(body) = message.inline_body() {
            let sent = self.queues.send(message.kind(), body.to_owned(), message.attributes(), message.group_id());
            match within(deadline.remaining_but(RESERVED_FOR_SPILLING), SEND, sent).await {
                Ok(()) => return Ok(Receipt { how: StoredAs::Inline }),
                // The queue has other limits than it should: too small a maximum, other characters.
                Err(refused) if refused.has_code(&REFUSED_CONTENT) => failures.push(refused),
                Err(failed) => return Err(failed),
            }
        }
        // A pointer is never sent twice: an attempt that failed may have made a message all the same, and who reads that
        // one deletes its object. So each has an object of its own.
        for _ in 1..CLAIM_CHECKS {
            match self.claim_check(message, deadline).await {
                Err(failed) if failed.operation == SEND && failed.may_pass() => failures.push(failed),
                ended => return ended,
            }
            sleep(CLAIM_CHECK_PAUSE).await;
        }
        self.claim_check(message, deadline).await
    }

    async fn claim_check(&self, message: &Message, deadline: Deadline) -> Result<Receipt, AwsError> {
        let key = message.payload_key(&Uuid::new_v4().to_string());
        let put = self.payloads.put(&key, message.body().clone(), &[]);
        within(deadline.remaining_but(RESERVED_FOR_SPILLING), PUT, put).await?;
        let (pointer, attributes) = message.claim_check(self.payloads.bucket(), &key);
        let sent = self.queues.send_once(message.kind(), pointer, &attributes, message.group_id());
        within(deadline.remaining_but(RESERVED_FOR_SPILLING), SEND, sent).await?;
        Ok(Receipt { how: StoredAs::ClaimCheck })
    }

    /// Keeps a payload that its queue did not take, for [`redelivery`](crate::redelivery).
    async fn spill(&self, message: &Message, deadline: Deadline) -> Result<Receipt, AwsError> {
        let (key, metadata) = (SpilledKey::of(message).to_string(), spilled::metadata(message));
        within(deadline.remaining(), PUT, self.payloads.put(&key, message.body().clone(), &metadata)).await?;
        Ok(Receipt { how: StoredAs::Spilled })
    }
}

/// SQS's codes for a message that it will not carry, however often it is sent.
pub const REFUSED_CONTENT: [&str; 2] = ["InvalidMessageContents", "InvalidParameterValue"];

/// The operations, as failures name them.
pub const SEND: &str = "SendMessage";
pub const PUT: &str = "PutObject";

async fn within(
    budget: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<(), AwsError>>,
) -> Result<(), AwsError> {
    timeout(budget, call).await.unwrap_or_else(|_| Err(AwsError::timeout(operation)))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Mutex,
        time::{Duration, SystemTime},
    };

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        aws_error::Reason,
        event::{Event, ResponseTypes},
        signature::{AuthenticCallback, Form},
    };

    /// How a service behaves.
    #[derive(Clone, Copy)]
    enum Service {
        Works,
        /// Works, after so long.
        Slow(Duration),
        Hangs,
        Refuses(&'static str),
    }

    impl Service {
        async fn call(self) -> Result<(), AwsError> {
            match self {
                Self::Works => Ok(()),
                Self::Slow(time) => {
                    sleep(time).await;
                    Ok(())
                }
                Self::Hangs => std::future::pending().await,
                Self::Refuses(code) => {
                    Err(AwsError { code: Some(code.to_owned()), ..AwsError::new("call", Reason::Service) })
                }
            }
        }
    }

    struct Fakes {
        queues: Service,
        payloads: Service,
        /// Keys of what was stored, with the names of its metadata.
        objects: Mutex<Vec<String>>,
    }

    impl Queues for &Fakes {
        async fn send(&self, _: Kind, body: String, _: &[Attribute], _: Option<&str>) -> Result<(), AwsError> {
            match self.queues {
                // What is refused for its content is not refused as a claim check.
                Service::Refuses("InvalidMessageContents") if body.starts_with("[\"software.amazon") => Ok(()),
                service => service.call().await,
            }
        }
    }

    impl PayloadStore for &Fakes {
        fn bucket(&self) -> &str {
            "bucket"
        }

        async fn put(&self, key: &str, _: Bytes, metadata: &[(&'static str, &str)]) -> Result<(), AwsError> {
            self.payloads.call().await?;
            let names: String = metadata.iter().map(|(name, _)| format!(" {name}")).collect();
            self.objects.lock().unwrap().push(format!("{key}{names}"));
            Ok(())
        }
    }

    /// What becomes of a body, after how long, and which objects there are then.
    async fn store(
        queues: Service,
        payloads: Service,
        body: &'static str,
    ) -> (Option<StoredAs>, Duration, Vec<String>) {
        let fakes = Fakes { queues, payloads, objects: Mutex::default() };
        let storage = Storage { queues: &fakes, payloads: &fakes };
        let event = Event::read(AuthenticCallback::unproven(body, Form::Raw), &ResponseTypes::new());
        let message = Message::of(&event, SystemTime::UNIX_EPOCH);
        let started = Instant::now();
        let receipt = storage.store(&message, Deadline::start(), &mut Vec::new()).await;
        let objects = fakes.objects.lock().unwrap().clone();
        (receipt.ok().map(|receipt| receipt.how()), started.elapsed(), objects)
    }

    /// The longest that a sender waits.
    const LONGEST: Duration = Duration::from_secs(12);

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_takes_is_inline() {
        let (how, _, objects) = store(Service::Works, Service::Hangs, "{}").await;
        assert_eq!((how, objects.len()), (Some(StoredAs::Inline), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_cannot_carry_is_a_claim_check() {
        let (how, _, objects) = store(Service::Works, Service::Works, "").await;
        assert_eq!((how, objects.len()), (Some(StoredAs::ClaimCheck), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_refuses_for_its_content_is_a_claim_check() {
        let (how, _, objects) = store(Service::Refuses("InvalidMessageContents"), Service::Works, "{}").await;
        assert_eq!((how, objects.len()), (Some(StoredAs::ClaimCheck), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_does_not_take_is_spilled_with_what_cannot_be_read_again() {
        for (queues, body) in [(Service::Refuses("AccessDenied"), "{}"), (Service::Hangs, "{}"), (Service::Hangs, "")] {
            let (how, elapsed, objects) = store(queues, Service::Works, body).await;
            assert_eq!(how, Some(StoredAs::Spilled));
            assert!(elapsed < LONGEST, "{elapsed:?}");
            let spilled = objects.last().unwrap();
            assert!(spilled.starts_with("undelivered/UnclassifiedQueue/"), "{spilled}");
            assert!(spilled.ends_with(" signature-form received-at"), "{spilled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_nothing_takes_it_the_sender_hears_so_in_time() {
        for body in ["{}", ""] {
            for (queues, payloads) in [
                (Service::Hangs, Service::Hangs),
                (Service::Refuses("AccessDenied"), Service::Refuses("AccessDenied")),
                (Service::Hangs, Service::Slow(Duration::from_secs(8))),
                (Service::Slow(LONGEST), Service::Slow(LONGEST)),
            ] {
                let (how, elapsed, _) = store(queues, payloads, body).await;
                assert_eq!(how, None);
                assert!(elapsed < LONGEST, "{elapsed:?}");
            }
        }
    }
}
