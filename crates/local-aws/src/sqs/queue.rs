//! One queue with its messages: which are visible, and which were received too often.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::message::{Content, Message, StoredMessage};
use super::receipt::Receipt;
use super::settings::QueueSettings;
use crate::clock::Clock;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) settings: QueueSettings,
    pub(super) created: SystemTime,
    clock: Clock,
    /// By place, in the order of arrival.
    messages: BTreeMap<u64, Message>,
    next_place: u64,
}

/// The result of a receive.
#[derive(Default)]
pub(super) struct Taken {
    /// The places of the received messages. They are now invisible.
    pub(super) received: Vec<u64>,
    /// Messages that were received too often. They are no longer in the queue.
    pub(super) dead: Vec<Message>,
}

/// How many messages are visible, in flight and delayed.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

impl Queue {
    pub(super) fn new(settings: QueueSettings, clock: Clock) -> Queue {
        Queue { settings, created: clock.now(), clock, messages: BTreeMap::new(), next_place: 0 }
    }

    /// Stores a message and returns its id. `delay` is in seconds. Without it, the queue's delay applies.
    pub(super) fn send(&mut self, content: Content, delay: Option<u32>) -> String {
        let delay = delay.unwrap_or(self.settings.delay_seconds);
        let message = Message::new(content, self.clock.now(), Instant::now() + seconds(delay));
        let id = message.id.clone();
        self.push(message);
        id
    }

    /// Puts a new or moved message at the end.
    pub(super) fn push(&mut self, message: Message) {
        self.messages.insert(self.next_place, Message { arrived_at: Instant::now(), ..message });
        self.next_place = self.next_place.saturating_add(1);
    }

    /// Receives up to `max` visible messages, oldest first, and hides them for `hidden` seconds. With `dead_after`, a
    /// visible message that was already received that often is removed instead.
    pub(super) fn take(&mut self, max: usize, hidden: u32, dead_after: Option<u32>) -> Taken {
        self.expire();
        let now = Instant::now();
        let mut taken = Taken::default();
        let mut dead = Vec::new();
        let visible = self.messages.iter_mut();
        for (place, message) in visible.filter(|(_, message)| message.visible_from <= now) {
            if dead_after.is_some_and(|max| message.receive_count >= max) {
                dead.push(*place);
                continue;
            }
            if taken.received.len() == max {
                break;
            }
            message.receive_count = message.receive_count.saturating_add(1);
            message.first_received.get_or_insert_with(|| self.clock.now());
            message.visible_from = now + seconds(hidden);
            taken.received.push(*place);
        }
        taken.dead = dead.iter().filter_map(|place| self.messages.remove(place)).collect();
        taken
    }

    pub(super) fn get(&self, place: u64) -> Option<&Message> {
        self.messages.get(&place)
    }

    /// Deletes a message. A stale handle deletes nothing, which is no error in SQS (API reference, DeleteMessage).
    pub(super) fn delete(&mut self, receipt: &Receipt) {
        let current = |message: &Message| message.receive_count == receipt.receive_count;
        if self.messages.get(&receipt.place).is_some_and(current) {
            self.messages.remove(&receipt.place);
        }
    }

    /// Hides a message in flight for `hidden` seconds from now. Returns false if it is not in flight.
    pub(super) fn change_visibility(&mut self, receipt: &Receipt, hidden: u32) -> bool {
        let now = Instant::now();
        let in_flight = self
            .messages
            .get_mut(&receipt.place)
            .filter(|message| message.receive_count == receipt.receive_count && message.visible_from > now);
        match in_flight {
            Some(message) => {
                message.visible_from = now + seconds(hidden);
                true
            }
            None => false,
        }
    }

    /// Removes every visible message that `choose` selects.
    pub(super) fn take_out(&mut self, choose: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.expire();
        let now = Instant::now();
        self.messages
            .extract_if(.., |_, message| message.visible_from <= now && choose(message))
            .map(|(_, message)| message)
            .collect()
    }

    /// When the next invisible message becomes visible.
    pub(super) fn next_visible(&self) -> Option<Instant> {
        self.messages.values().map(|message| message.visible_from).min()
    }

    /// How long the oldest message has been in this queue, visible or not.
    pub(super) fn age_of_oldest(&mut self) -> Option<Duration> {
        self.expire();
        self.messages.values().map(|message| message.arrived_at.elapsed()).max()
    }

    pub(super) fn counts(&mut self) -> Counts {
        self.expire();
        let now = Instant::now();
        self.messages.values().fold(Counts::default(), |mut counts, message| {
            let count = match message {
                message if message.visible_from <= now => &mut counts.visible,
                message if message.receive_count > 0 => &mut counts.in_flight,
                _ => &mut counts.delayed,
            };
            *count = count.saturating_add(1);
            counts
        })
    }

    pub(super) fn stored(&mut self) -> Vec<StoredMessage> {
        self.expire();
        self.messages.values().map(Message::stored).collect()
    }

    /// Drops messages older than the retention period. It counts from when a message was first sent, also for dead
    /// letters (SQS developer guide, dead-letter queues).
    fn expire(&mut self) {
        let retention = seconds(self.settings.message_retention_period);
        self.messages.retain(|_, message| message.sent_at.elapsed() < retention);
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
