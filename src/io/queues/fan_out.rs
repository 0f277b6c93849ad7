//! Delivers batches to all queues, and to the snapshot that the public calls read.

use std::sync::Arc;

use super::{
    queue::{Queue, QueueOptions},
    snapshot::Snapshot,
};
use crate::{
    Error, Notification,
    config::{ClientOptions, Overflow},
    delivery::Delivery,
    event::{Batch, EntryNumber},
    io::{
        guard::{
            fork::ForkGuard,
            user_code::{self, CallContext, UserCodeError},
        },
        transport::cancel::CancelToken,
    },
    sync::{
        ChannelPair, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        select_biased,
    },
};

/// Distributes batches.
///
/// A batch is posted under the lock of the driver, by a push on an unbounded channel that never blocks, and delivered
/// without the lock. The thread that delivers takes *all* posted batches in their order. So the order is that of the
/// session, even if reader and heartbeat deliver at the same time. The channel holds the batches since the last
/// delivery, and the next delivery follows at once.
pub(crate) struct FanOut {
    posted: ChannelPair<Delivery>,
    /// The number of the next entry. The thread that delivers changes it before the batch becomes visible.
    next_number: AtomicU64,
    /// Held during a delivery, by one thread at a time. Only the public calls that report errors of user code take it,
    /// such as `dispatch`. No other public call waits for a delivery (R10).
    delivering: Mutex<()>,
    /// The queue of the handlers, then one queue for each receiver. The list is replaced as a whole, and locked only to
    /// read or replace it.
    queues: Mutex<Arc<[Arc<Queue>]>>,
    /// The client was shut down. Changed under the lock of `queues`, so that every queue that is added later is closed.
    is_closed: AtomicBool,
    /// The counts of queues that were removed.
    dropped_before: AtomicU64,
    superseded_before: AtomicU64,
    handlers: Arc<Queue>,
    log_events: bool,
    process: ForkGuard,
    pub snapshot: Snapshot,
    room: ChannelPair<()>,
}

impl FanOut {
    pub fn new(options: &ClientOptions) -> Self {
        // One token is enough, because a thread that waits checks all queues again.
        let room = ChannelPair::of_one();
        let limits = &options.limits;
        let queue_options = QueueOptions::new(limits.queue_capacity, limits.overflow.unwrap_or(Overflow::Block));
        let handlers = Arc::new(Queue::new(queue_options, room.sender.clone()));
        Self {
            posted: ChannelPair::unbounded(),
            next_number: AtomicU64::new(0),
            delivering: Mutex::new(()),
            queues: Mutex::new([Arc::clone(&handlers)].into()),
            is_closed: AtomicBool::new(false),
            dropped_before: AtomicU64::new(0),
            superseded_before: AtomicU64::new(0),
            log_events: options.log_events,
            process: ForkGuard::current(),
            handlers,
            snapshot: Snapshot::default(),
            room,
        }
    }

    /// Whether this is the process that made the client, and not a forked child (H7).
    pub fn is_in_own_process(&self) -> bool {
        self.process.is_current()
    }

    /// Distinguishes this client from all others.
    pub fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The queue of the handlers.
    pub fn handlers(&self) -> &Arc<Queue> {
        &self.handlers
    }

    /// Adds a queue for a receiver, filled from now on.
    pub fn add_receiver(&self, options: QueueOptions) -> Arc<Queue> {
        let queue = Arc::new(Queue::new(options, self.room.sender.clone()));
        let mut queues = self.queues.lock();
        *queues = queues.iter().chain([&queue]).cloned().collect();
        let is_closed = self.is_closed.load(Ordering::Relaxed);
        drop(queues);
        if is_closed {
            queue.close();
        }
        queue
    }

    /// Removes a queue. Does nothing if it was removed before.
    pub fn remove_receiver(&self, queue: &Arc<Queue>) {
        // From here on the queue accepts nothing and drops nothing. Its closures are dropped at the end, without a
        // lock.
        let _closures = queue.abandon();
        {
            let mut queues = self.queues.lock();
            let others: Arc<[_]> = queues.iter().filter(|other| !Arc::ptr_eq(other, queue)).cloned().collect();
            if others.len() == queues.len() {
                return;
            }
            *queues = others;
            self.dropped_before.fetch_add(queue.dropped(), Ordering::Relaxed);
            self.superseded_before.fetch_add(queue.superseded(), Ordering::Relaxed);
        }
        // A reader that waits for room in this queue need not wait any longer.
        let _ = self.room.sender.try_send(());
    }

    /// Posts a batch for delivery. Never blocks.
    pub fn post(&self, delivery: Delivery) {
        let _ = self.posted.sender.send(delivery);
    }

    /// The number of the first entry for a handler that is bound now.
    pub fn position(&self) -> EntryNumber {
        EntryNumber(self.next_number.load(Ordering::SeqCst))
    }

    /// Delivers the posted batches, in order. When it returns, this thread or another has delivered all batches that
    /// the caller has posted.
    pub fn deliver(&self) {
        let (mut to_log, mut to_wake) = (Vec::new(), Vec::new());
        {
            let _delivering = self.delivering.lock();
            while let Ok(Delivery { batch, update }) = self.posted.receiver.try_recv() {
                // The queues of a batch are fixed before the snapshot shows it: a handler that is made because of the
                // snapshot must not get the batch again (H9).
                let batch = Arc::new(self.numbered(batch));
                let queues = self.queues();
                let is_news = self.snapshot.apply(&batch, &update);
                to_wake.extend(queues.iter().filter(|queue| queue.push(&batch)).cloned());
                if is_news {
                    self.snapshot.mark_delivered();
                }
                if batch.notices() > 0 || self.log_events {
                    to_log.push(batch);
                }
            }
        }
        // Closures for keys, wake-up closures and loggers are user code, so they run without a lock.
        for queue in to_wake {
            self.take_in(&queue);
            if !self.process.is_current() {
                return;
            }
        }
        for batch in &to_log {
            log_notices(batch);
            if self.log_events {
                log_events(batch);
            }
        }
    }

    /// Gives the entries of a batch their numbers.
    fn numbered(&self, batch: Batch) -> Batch {
        let number = self.next_number.fetch_add(batch.len() as u64, Ordering::SeqCst);
        batch.with_number(EntryNumber(number))
    }

    /// Makes the keys of the staged batches of a queue, and wakes its consumer.
    fn take_in(&self, queue: &Queue) {
        let (must_notify, outcome) = queue.take_in(self.call_context());
        if must_notify {
            self.notify(queue);
        }
        if outcome == Err(UserCodeError::Panicked) {
            let handler = "the keys of a receiver's events".to_owned();
            self.report(Error::HandlerPanicked { handler });
        }
    }

    /// Wakes the consumer of a queue. Does nothing in a forked child (H7).
    pub fn notify(&self, queue: &Queue) {
        if self.process.is_current() && queue.notify(self.call_context()) == Err(UserCodeError::Panicked) {
            let handler = "a receiver's queue".to_owned();
            self.report(Error::HandlerPanicked { handler });
        }
    }

    /// A closure of a receiver runs on a thread that delivers, which the client needs, or in a call of the program.
    fn call_context(&self) -> CallContext {
        CallContext::new(self.process).needed_by(self.identity())
    }

    /// Reports an error from outside the session. Does nothing in a forked child (H7).
    pub fn report(&self, error: Error) {
        if !self.process.is_current() {
            return;
        }
        let mut batch = Batch::default();
        batch.push_notice(Notification::Error(Arc::new(error)));
        self.post(Delivery { batch, ..Delivery::default() });
        self.deliver();
    }

    pub fn has_room(&self) -> bool {
        self.queues().iter().all(|queue| queue.has_room())
    }

    /// Waits until there is room in every queue that blocks, or until the reader is cancelled.
    pub fn wait_for_room(&self, cancel: &CancelToken) {
        while !self.has_room() && !cancel.is_set() {
            select_biased! {
                recv(cancel.signal()) -> _ => return,
                recv(self.room.receiver) -> _ => {}
            }
        }
    }

    /// Ends all queues.
    pub fn close(&self) {
        let queues = {
            let queues = self.queues.lock();
            self.is_closed.store(true, Ordering::Relaxed);
            Arc::clone(&queues)
        };
        for queue in queues.iter() {
            queue.close();
            // The consumer is always woken: a concurrent push may be about to call the closure, and would find it
            // removed.
            self.notify(queue);
            if !self.process.is_current() {
                return;
            }
            // The closure may hold the receiver that it wakes. A panic of its destructor must not keep the other queues
            // from being closed.
            if user_code::catch(|| drop(queue.disarm())).is_err() {
                record!(error, "the destructor of a wake-up closure panicked");
            }
        }
    }

    fn queues(&self) -> Arc<[Arc<Queue>]> {
        Arc::clone(&self.queues.lock())
    }

    pub fn dropped(&self) -> u64 {
        self.of_all_queues(&self.dropped_before, Queue::dropped)
    }

    pub fn superseded(&self) -> u64 {
        self.of_all_queues(&self.superseded_before, Queue::superseded)
    }

    /// The sum of a count over removed and current queues. The lock makes sure that a queue that is being removed
    /// counts once.
    fn of_all_queues(&self, before: &AtomicU64, count: fn(&Queue) -> u64) -> u64 {
        let queues = self.queues.lock();
        before.load(Ordering::Relaxed) + queues.iter().map(|queue| count(queue)).sum::<u64>()
    }
}

/// Logs notices, whether a handler gets them or not.
fn log_notices(batch: &Batch) {
    let notices: Vec<_> = (0..batch.len()).filter_map(|index| batch.notice(index)).collect();
    for (index, notice) in notices.iter().enumerate() {
        // The change to `Failed` is logged with the error that it follows.
        let is_repeated = notices.get(index + 1).is_some_and(|next| is_cause_of(notice, next));
        if let Some((level, line)) = notice.log_record().filter(|_| !is_repeated) {
            record!(log, level, "{line}");
        }
    }
}

/// Logs application events, if the program has enabled it.
fn log_events(batch: &Batch) {
    for index in (0..batch.len()).filter(|index| batch.notice(*index).is_none()) {
        let channel = batch.intent(index).map_or("no channel", |intent| intent.name());
        match batch.encoded(index) {
            Some(bytes) => record!(debug, "received {} on {channel}: {} bytes", batch.name(index), bytes.len()),
            None => record!(debug, "received {} on {channel}: {}", batch.name(index), batch.data(index)),
        }
    }
}

fn is_cause_of(notice: &Notification, next: &Notification) -> bool {
    let (Notification::Error(error), Notification::ConnectionStateChange(change)) = (notice, next) else {
        return false;
    };
    change.cause.as_ref().is_some_and(|cause| Arc::ptr_eq(cause, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn h7_a_report_takes_no_lock_in_a_forked_child() {
        let process = ForkGuard::of_another_process();
        let fan_out = FanOut { process, ..FanOut::new(Config::host("key", "localhost").client_options()) };
        // The child has the locks of threads that it does not have.
        let _delivering = fan_out.delivering.lock();
        fan_out.report(Error::lost("the end"));
        assert_eq!(fan_out.handlers.len(), 0);
    }

    #[test]
    fn r10_no_public_call_waits_for_a_delivery() {
        let fan_out = FanOut::new(Config::host("key", "localhost").client_options());
        let delivering = fan_out.delivering.lock();
        let queue = fan_out.add_receiver(QueueOptions::new(10, Overflow::Block));
        assert_eq!(fan_out.dropped(), 0);
        fan_out.post(Delivery::default());
        drop(delivering);
        fan_out.report(Error::lost("the end"));
        assert_eq!(queue.len(), 1, "the receiver gets what is posted after it was made");
        fan_out.remove_receiver(&queue);
        fan_out.report(Error::lost("the end"));
        assert_eq!(queue.len(), 1);
    }
}
