//! Callbacks on the thread that the program wants.

use std::time::Duration;

use super::{arguments::OptionalOut, boundary::Failure, client::Client, handles::Handle};
use crate::Pusher;

/// Without the option it would tell for ever that it did nothing.
fn by_hand(client: &Client) -> Result<Pusher, Failure> {
    let pusher = client.pusher()?;
    let unset = || Failure::value("the option manual_dispatch is not set");
    if pusher.is_dispatched_by_hand() { Ok(pusher) } else { Err(unset()) }
}

exports! {
    fn pusher_dispatch(client: Handle<Client>, count: OptionalOut<'_, usize>) {
        let handled = by_hand(&client)?.dispatch();
        if let Some(count) = count {
            count.put(handled);
        }
        Ok(())
    }

    fn pusher_dispatch_count(client: Handle<Client>, max: usize, count: OptionalOut<'_, usize>) {
        let handled = by_hand(&client)?.dispatch_for(max);
        if let Some(count) = count {
            count.put(handled);
        }
        Ok(())
    }

    fn pusher_dispatch_time(client: Handle<Client>, time_ms: i32, count: OptionalOut<'_, usize>) {
        // It does not wait, so that a negative time is not for ever. Most likely it is a budget that is overdrawn.
        let time = u64::try_from(time_ms).map_err(|_| Failure::value("a time to dispatch for is not negative"))?;
        let handled = by_hand(&client)?.dispatch_for(Duration::from_millis(time));
        if let Some(count) = count {
            count.put(handled);
        }
        Ok(())
    }
}
