"""Members of presence channels, and their client events."""

import json
import unittest

from pusher_channels import Kind, Member, Notification
from support import PATIENCE, client_with, next_of, signature


def member_of(name):
    """An authorizer of a presence channel, for a member without info."""

    def authorize(channel, socket_id):
        data = json.dumps({"user_id": name})
        return {"auth": signature(f"{socket_id}:{channel}:{data}"), "channel_data": data}

    return authorize


class Members(unittest.TestCase):
    def test_members_come_and_leave(self):
        with client_with(authorizer=member_of("py")) as client:
            client.subscribe("presence-bar")
            client.wait_subscribed("presence-bar", PATIENCE)
            with client_with(authorizer=member_of("bob")) as other:
                other.subscribe("presence-bar")
                other.wait_subscribed("presence-bar", PATIENCE)
                # Neither member has an info.
                self.assertEqual(next_of(client, Kind.MEMBER_ADDED).member, Member("bob"))
                self.assertEqual(client.members("presence-bar"), [Member("bob"), Member("py")])
                self.assertIsNone(client.me("presence-bar").info)
                self.assertIsNone(client.me("presence-bar").json())
            left = next_of(client, Kind.MEMBER_REMOVED)
            self.assertEqual((left.member, left.user_info), (Member("bob"), None))

    def test_other_notifications_have_no_member(self):
        self.assertIsNone(Notification(Kind.EVENT, user_id="7").member)
        self.assertEqual(Notification(Kind.MEMBER_ADDED, user_id="7", user_info="{}").member, Member("7", "{}"))

    def test_a_text_that_was_triggered_is_not_json(self):
        with client_with(authorizer=member_of("py")) as client, client_with(authorizer=member_of("bob")) as other:
            for one in (client, other):
                one.subscribe("presence-bar")
                one.wait_subscribed("presence-bar", PATIENCE)
            other.trigger("presence-bar", "client-a", "hello")
            other.trigger_text("presence-bar", "client-a", "hello")
            other.trigger("presence-bar", "client-a", {"hello": 1})
            for _ in range(2):
                event = next_of(client, Kind.EVENT)
                self.assertEqual((event.data, event.user_id), ("hello", "bob"))
                with self.assertRaisesRegex(json.JSONDecodeError, "the data 'hello' is not JSON.* Notification.data"):
                    event.json()
            self.assertEqual(next_of(client, Kind.EVENT).json(), {"hello": 1})

    def test_long_data_that_is_not_json_is_cut_in_the_error(self):
        with self.assertRaises(json.JSONDecodeError) as caught:
            Notification(Kind.EVENT, data="x" * 100_000).json()
        self.assertLess(len(str(caught.exception)), 200)
        self.assertIsNone(Notification(Kind.EVENT).json())


if __name__ == "__main__":
    unittest.main()
