//! What may be registered to hear of events and other notifications.

use std::{ops::ControlFlow, sync::mpsc};

/// Hears of events, or of another kind of notification: a closure, or the sending half of a channel.
///
/// * A closure, `FnMut(&T)`, is run. Write out the type of its argument, `|event: &Event| ..` or `|_: &Event| ..`: where a
///   sender could stand, the compiler does not infer it, and says "type annotations needed" or "implementation of `FnOnce`
///   is not general enough".
/// * A sender of [`std::sync::mpsc`] or of [`crossbeam_channel`] gets a clone of each: a `Sender<Event>` for events, a
///   `Sender<String>` for the names that [`Pusher::on_cache_miss`](crate::Pusher::on_cache_miss) tells. When the receiving
///   half is gone, the sender unbinds itself. One that is bounded and full waits, like a closure that is slow, so its other
///   half must not be on the thread that [dispatches](crate::Pusher::dispatch). One that is not bounded grows with what
///   nobody receives from it. What lies in the channel is the program's, and stays there when it unsubscribes.
///
/// Anything else that takes messages, such as the proxy of a window's event loop, becomes a handler by an implementation of
/// this trait.
///
/// ```
/// use std::{sync::mpsc, time::Duration};
/// use pusher_channels::{Event, Pusher, testing::TestServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = TestServer::start()?;
/// let pusher = Pusher::new(server.config()).connect()?;
/// let news = pusher.channel("news")?;
/// let (sender, published) = mpsc::channel();
/// news.bind("published", sender);
/// news.bind("published", |event: &Event| println!("{}", event.data()));
/// news.subscribe();
/// # news.wait_subscribed(Duration::from_secs(5))?;
/// # server.trigger("news", "published", "hello");
/// assert_eq!(published.recv_timeout(Duration::from_secs(5))?.data(), "hello");
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hear of `{T}`",
    note = "a closure writes out the type of its argument, `|event: &Event| ..`, and holds only what is `Send` and `'static`"
)]
pub trait Handler<T: ?Sized>: Send + 'static {
    /// Called with each, in order, on the thread that runs handlers. After a `Break` it is not called again, and is dropped.
    /// A panic is caught and reported, and ends nothing.
    fn handle(&mut self, value: &T) -> ControlFlow<()>;
}

impl<T: ?Sized, F: FnMut(&T) + Send + 'static> Handler<T> for F {
    fn handle(&mut self, value: &T) -> ControlFlow<()> {
        self(value);
        ControlFlow::Continue(())
    }
}

impl<T: ?Sized + ToOwned> Handler<T> for mpsc::Sender<T::Owned>
where
    T::Owned: Send + 'static,
{
    fn handle(&mut self, value: &T) -> ControlFlow<()> {
        while_received(self.send(value.to_owned()))
    }
}

impl<T: ?Sized + ToOwned> Handler<T> for mpsc::SyncSender<T::Owned>
where
    T::Owned: Send + 'static,
{
    fn handle(&mut self, value: &T) -> ControlFlow<()> {
        while_received(self.send(value.to_owned()))
    }
}

impl<T: ?Sized + ToOwned> Handler<T> for crossbeam_channel::Sender<T::Owned>
where
    T::Owned: Send + 'static,
{
    fn handle(&mut self, value: &T) -> ControlFlow<()> {
        while_received(self.send(value.to_owned()))
    }
}

/// A send fails only when nobody can receive it any more.
fn while_received<E>(sent: Result<(), E>) -> ControlFlow<()> {
    sent.map_or(ControlFlow::Break(()), ControlFlow::Continue)
}
