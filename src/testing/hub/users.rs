//! Users: sign-ins, terminations and watchlists.

use super::{
    core::{Change, Hub},
    state::client::Connection,
};
use crate::testing::{
    auth::app::user_text,
    protocol::{
        channel_kind::channel_of,
        client_message::{SignIn, UserData},
        frames,
        watchlist::Statuses,
    },
};

/// Code of the error for a watchlist of more than 100 users.
const LONG_WATCHLIST: u16 = 4302;
/// Code of the error and of the close frame when the app terminates the connections of a user.
const TERMINATED: u16 = 4009;

impl Hub {
    /// The signed-in user of a connection.
    pub fn user_of(&self, id: u64) -> Option<UserData> {
        self.state.lock().users.of(id).cloned()
    }

    /// Signs a connection in, or refuses it.
    pub fn sign_in(&self, connection: &Connection, request: &SignIn) {
        let text = user_text(&connection.socket_id, &request.user_data);
        let is_signed = self.settings.app.is_authorized(&text, &request.auth);
        match UserData::parse(&request.user_data).filter(|_| is_signed) {
            Some(user) => self.change().sign_in(connection, user, request),
            None => self.refuse_sign_in(connection),
        }
    }

    fn refuse_sign_in(&self, connection: &Connection) {
        let refusal = self.settings.refusals.sign_in();
        self.answer(connection, refusal.error);
        if let Some(close) = refusal.close {
            connection.outbox.close(close);
        }
    }

    /// Closes the connections of a user. Returns the number of connections that were not closing yet.
    pub fn terminate(&self, user: &str) -> usize {
        let error = self.settings.refusals.error(None, TERMINATED, "You got disconnected by the app.");
        let mut change = self.quiet_change();
        let connections = change.connections_of(user, |_| true);
        change.send_to(&connections, &error);
        let clients = connections.iter().filter_map(|id| change.open.get(id));
        clients.filter(|client| client.connection.outbox.close(frames::close(TERMINATED, ""))).count()
    }
}

impl Change<'_> {
    /// The connections of a user for which `wanted` holds.
    pub fn connections_of(&self, user: &str, wanted: impl Fn(&Connection) -> bool) -> Vec<u64> {
        let is_wanted = |id: &u64| self.open.get(id).is_some_and(|client| wanted(&client.connection));
        self.users.connections(user).filter(is_wanted).collect()
    }

    fn sign_in(&mut self, connection: &Connection, mut user: UserData, request: &SignIn) {
        let id = connection.id;
        if !self.open.contains_key(&id) {
            return;
        }
        self.leave_other_user(id, &user.id);
        if user.has_long_watchlist() {
            user.watchlist.clear();
            let refusals = self.hub.settings.refusals;
            self.send(connection, refusals.error(None, LONG_WATCHLIST, "The watchlist has more than 100 users."));
        }
        let (name, watchlist) = (user.id.clone(), user.watchlist.clone());
        let has_come = self.users.sign_in(id, user);
        let shape = self.hub.settings.watchlist_events;
        let watched = shape.frames(&self.users.statuses(&watchlist));
        let success = frames::signin_success(&request.auth, &request.user_data);
        let frames: Vec<_> = if shape.precede_success() {
            watched.into_iter().chain([success]).collect()
        } else {
            [success].into_iter().chain(watched).collect()
        };
        for frame in frames {
            self.send(connection, frame);
        }
        if has_come {
            self.announce(&name, id, Statuses { online: vec![name.clone()], ..Statuses::default() });
        }
    }

    /// Signs a connection out before it signs in as another user.
    fn leave_other_user(&mut self, id: u64, user: &str) {
        let previous = self.users.of(id).map(|previous| previous.id.clone());
        if let Some(previous) = previous.filter(|previous| previous != user) {
            let channel = channel_of(&previous);
            let client = self.open.get_mut(&id);
            if client.is_some_and(|client| client.channels.remove(&channel)) {
                self.depart(id, &channel);
            }
            self.sign_out(id);
        }
    }

    pub fn sign_out(&mut self, id: u64) {
        if let Some(user) = self.users.sign_out(id) {
            self.announce(&user, id, Statuses { offline: vec![user.clone()], ..Statuses::default() });
        }
    }

    /// Notifies the watchers of a user of a change. The connection `cause`, which made the change, is left out.
    fn announce(&mut self, user: &str, cause: u64, statuses: Statuses) {
        let watchers: Vec<u64> = self.users.watchers(user).into_iter().filter(|&id| id != cause).collect();
        for frame in self.hub.settings.watchlist_events.frames(&statuses) {
            self.send_to(&watchers, &frame);
        }
    }
}
