//! The sending halves of channels that the client can send to.

use std::sync::mpsc;

/// The sending half of a channel, for [`Pusher::bind_sender`](crate::Pusher::bind_sender),
/// [`Pusher::forward`](crate::Pusher::forward) and similar calls: [`mpsc::Sender`], [`mpsc::SyncSender`] or
/// [`crossbeam_channel::Sender`].
///
/// A full bounded channel blocks the thread that runs the handlers, as a slow closure does. So its other half must not
/// be on the thread that [dispatches](crate::Pusher::dispatch). An unbounded channel grows for as long as its messages
/// are not received. When the receiving half is gone, the client unbinds the sender by itself. Messages in the channel
/// belong to the program: they stay there after an `unsubscribe`.
///
/// This trait cannot be implemented outside of this crate. For other kinds of queues, such as the proxy of a window's
/// event loop, bind a closure that sends.
pub trait AnySender<T>: sealed::Sealed + Send + 'static {
    /// Sends a message. Returns false if the receiving half is gone.
    #[doc(hidden)]
    fn send_message(&self, message: T) -> bool;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for std::sync::mpsc::Sender<T> {}
    impl<T> Sealed for std::sync::mpsc::SyncSender<T> {}
    impl<T> Sealed for crossbeam_channel::Sender<T> {}
}

impl<T: Send + 'static> AnySender<T> for mpsc::Sender<T> {
    fn send_message(&self, message: T) -> bool {
        self.send(message).is_ok()
    }
}

impl<T: Send + 'static> AnySender<T> for mpsc::SyncSender<T> {
    fn send_message(&self, message: T) -> bool {
        self.send(message).is_ok()
    }
}

impl<T: Send + 'static> AnySender<T> for crossbeam_channel::Sender<T> {
    fn send_message(&self, message: T) -> bool {
        self.send(message).is_ok()
    }
}
