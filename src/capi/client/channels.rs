//! Channels, by their names.

use serde_json::value::RawValue;

use crate::capi::{
    auth::permissions::permission,
    client::Client,
    events::list::List,
    ffi::{
        arguments::{Data, OptionalText, Out, Text, within},
        handles::Handle,
        results::{self, Failure},
    },
};
use crate::{ChannelAuth, Member};

exports! {
    fn pusher_subscribe(client: Handle<Client>, channel: Text<'_>) {
        client.pusher()?.subscribe(channel)?;
        Ok(())
    }

    fn pusher_subscribe_with_auth(
        client: Handle<Client>,
        channel: Text<'_>,
        auth: Text<'_>,
        channel_data: OptionalText<'_>,
        shared_secret: OptionalText<'_>,
    ) {
        client.pusher()?.channel(channel)?.subscribe_with_auth(permission(auth, channel_data, shared_secret));
        Ok(())
    }

    fn pusher_subscribe_with_auth_json(
        client: Handle<Client>,
        channel: Text<'_>,
        json: Data<'_>,
        length: usize,
    ) {
        let auth = ChannelAuth::from_json(json.text(length)?)?;
        client.pusher()?.channel(channel)?.subscribe_with_auth(auth);
        Ok(())
    }

    fn pusher_unsubscribe(client: Handle<Client>, channel: Text<'_>) {
        client.pusher()?.channel(channel)?.unsubscribe();
        Ok(())
    }

    fn pusher_unsubscribe_all(client: Handle<Client>) {
        client.pusher()?.unsubscribe_all();
        Ok(())
    }

    fn pusher_is_subscribed(client: Handle<Client>, channel: Text<'_>, subscribed: Out<'_, i32>) {
        subscribed.put(client.pusher()?.channel(channel)?.is_subscribed().into());
        Ok(())
    }

    fn pusher_wait_subscribed(client: Handle<Client>, channel: Text<'_>, timeout_ms: i32) {
        Ok(client.pusher()?.channel(channel)?.wait_subscribed(within(timeout_ms))?)
    }

    fn pusher_wait_all_subscribed(client: Handle<Client>, timeout_ms: i32) {
        Ok(client.pusher()?.wait_all_subscribed(within(timeout_ms))?)
    }

    fn pusher_channels(client: Handle<Client>, list: Out<'_, Handle<List>>) {
        let channels = client.pusher()?.channels();
        list.put(Handle::new(channels.iter().map(crate::Channel::name).collect())?);
        Ok(())
    }

    fn pusher_members(client: Handle<Client>, channel: Text<'_>, list: Out<'_, Handle<List>>) {
        let members = client.pusher()?.channel(channel)?.members();
        list.put(Handle::new(members.iter().collect())?);
        Ok(())
    }

    fn pusher_member(client: Handle<Client>, channel: Text<'_>, id: Text<'_>, list: Out<'_, Handle<List>>) {
        list.put(of_one(client.pusher()?.channel(channel)?.member(id))?);
        Ok(())
    }

    fn pusher_me(client: Handle<Client>, channel: Text<'_>, list: Out<'_, Handle<List>>) {
        list.put(of_one(client.pusher()?.channel(channel)?.me())?);
        Ok(())
    }

    fn pusher_subscription_count(client: Handle<Client>, channel: Text<'_>, count: Out<'_, u64>) {
        count.put(client.pusher()?.channel(channel)?.subscription_count().ok_or(Failure::Nothing)?);
        Ok(())
    }

    fn pusher_trigger(
        client: Handle<Client>,
        channel: Text<'_>,
        event: Text<'_>,
        json: Data<'_>,
        length: usize,
    ) {
        let pusher = client.pusher()?;
        let json: &RawValue = serde_json::from_str(json.text(length)?).map_err(|source| not_json(event, &source))?;
        Ok(pusher.trigger(channel, event, json)?)
    }

    fn pusher_trigger_text(
        client: Handle<Client>,
        channel: Text<'_>,
        event: Text<'_>,
        text: Data<'_>,
        length: usize,
    ) {
        Ok(client.pusher()?.trigger(channel, event, text.text(length)?)?)
    }
}

fn of_one(member: Option<Member>) -> Result<Handle<List>, Failure> {
    Handle::new([member.as_ref().ok_or(Failure::Nothing)?].into_iter().collect())
}

fn not_json(event: &str, source: &serde_json::Error) -> Failure {
    let place = format!("line {}, column {}", source.line(), source.column());
    Failure::Misuse(results::PUSHER_ERR_ENCODE, format!("the data of {event:?} is not JSON: {place}").into())
}
