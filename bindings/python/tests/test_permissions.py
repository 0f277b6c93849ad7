"""Backends sign permissions, and authorizers return them."""

import base64
import functools
import json
import os
import unittest

from pusher_channels import Kind, PusherError, Result, sign_channel, sign_user
from support import PATIENCE, client_with, next_of, signature

KEY, SECRET = os.environ["PUSHER_KEY"], os.environ["PUSHER_SECRET"]


def channel_answer(channel, socket_id):
    return sign_channel(KEY, SECRET, socket_id=socket_id, channel=channel)


def user_answer(socket_id):
    return sign_user(KEY, SECRET, socket_id, {"id": "7"})


class Signing(unittest.TestCase):
    def test_a_channel_is_signed(self):
        answer = json.loads(sign_channel(KEY, SECRET, socket_id="1.2", channel="private-orders"))
        self.assertEqual(answer, {"auth": signature("1.2:private-orders")})

    def test_a_presence_channel_is_signed_with_its_member(self):
        member = {"user_id": "7", "user_info": {"name": "Ünal"}}
        for data in (member, json.dumps(member)):
            answer = json.loads(sign_channel(KEY, SECRET, socket_id="1.2", channel="presence-room", channel_data=data))
            self.assertEqual(json.loads(answer["channel_data"]), member)
            self.assertEqual(answer["auth"], signature(f"1.2:presence-room:{answer['channel_data']}"))
        # The binding does not change JSON before it is signed.
        data = '{ "user_id":  "7" }'
        answer = json.loads(sign_channel(KEY, SECRET, socket_id="1.2", channel="presence-room", channel_data=data))
        self.assertEqual(answer["channel_data"], data)

    def test_the_key_of_an_encrypted_channel_is_in_the_answer(self):
        secret = base64.b64encode(bytes(32)).decode()
        channel = "private-encrypted-a"
        answer = json.loads(sign_channel(KEY, SECRET, socket_id="1.2", channel=channel, shared_secret=secret))
        self.assertEqual(answer, {"auth": signature("1.2:private-encrypted-a"), "shared_secret": secret})

    def test_a_user_is_signed(self):
        answer = json.loads(sign_user(KEY, SECRET, "1.2", {"id": "7"}))
        self.assertEqual(json.loads(answer["user_data"]), {"id": "7"})
        self.assertEqual(answer["auth"], signature(f"1.2::user::{answer['user_data']}"))

    def test_other_data_is_refused(self):
        for data in (7, b"{}", ["user_id"]):
            with self.assertRaisesRegex(TypeError, "channel_data must be a mapping or a str"):
                sign_channel(KEY, SECRET, socket_id="1.2", channel="presence-room", channel_data=data)
            with self.assertRaisesRegex(TypeError, "user_data must be a mapping or a str"):
                sign_user(KEY, SECRET, "1.2", data)

    def test_other_socket_ids_are_refused(self):
        for socket_id in ("", "1.2:private-a", "1.2\n", "1 2", "é.1"):
            with self.subTest(socket_id=socket_id):
                with self.assertRaisesRegex(ValueError, "a socket id consists of letters"):
                    sign_channel(KEY, SECRET, socket_id=socket_id, channel="private-orders")
                with self.assertRaisesRegex(ValueError, "a socket id consists of letters"):
                    sign_user(KEY, SECRET, socket_id, {"id": "7"})
        with self.assertRaisesRegex(TypeError, "socket_id must be a str, not NoneType"):
            sign_channel(KEY, SECRET, socket_id=None, channel="private-orders")

    def test_a_presence_channel_needs_its_member(self):
        with self.assertRaisesRegex(ValueError, "the presence channel 'presence-room' needs channel_data"):
            sign_channel(KEY, SECRET, socket_id="1.2", channel="presence-room")

    def test_the_socket_id_and_the_channel_cannot_change_places(self):
        with self.assertRaises(TypeError):
            sign_channel(KEY, SECRET, "1.2", "private-orders")

    def test_the_server_accepts_signed_permissions(self):
        with client_with() as client:
            request = {"socket_id": client.socket_id, "channel": "presence-kitchen"}
            answer = sign_channel(KEY, SECRET, **request, channel_data={"user_id": "py"})
            client.subscribe_with_auth_json("presence-kitchen", answer)
            orders = channel_answer("private-orders", client.socket_id).encode()
            client.subscribe_with_auth_json("private-orders", orders)
            client.wait_all_subscribed(PATIENCE)
            self.assertEqual(client.me("presence-kitchen").id, "py")
            client.sign_in_with_auth_json(user_answer(client.socket_id))
            client.wait_signed_in(PATIENCE)
            self.assertEqual(client.user_id, "7")


class Answers(unittest.TestCase):
    def test_an_authorizer_may_return_json(self):
        for form in (str, str.encode, json.loads):
            with self.subTest(form=form):
                authorizers = {
                    "authorizer": lambda channel, socket_id: form(channel_answer(channel, socket_id)),
                    "user_authenticator": lambda socket_id: form(user_answer(socket_id)),
                }
                with client_with(**authorizers) as client:
                    client.subscribe("private-orders")
                    client.sign_in()
                    client.wait_all_subscribed(PATIENCE)
                    client.wait_signed_in(PATIENCE)
                    self.assertEqual(client.user_id, "7")

    def test_a_batch_authorizer_may_return_json(self):
        def authorize(requests):
            answers = [channel_answer(*request) for request in requests]
            return [answer.encode() if index % 2 else answer for index, answer in enumerate(answers)]

        with client_with(batch_authorizer=authorize) as client:
            client.subscribe("private-orders")
            client.subscribe("private-tables")
            client.wait_all_subscribed(PATIENCE)

    def test_a_batch_authorizer_returns_a_list(self):
        for answers in ("x", b"x", {"auth": "x"}):
            with self.subTest(answers=answers), client_with(batch_authorizer=lambda requests: answers) as client:
                client.subscribe("private-orders")
                with self.assertRaisesRegex(PusherError, "must return a list of answers, not"):
                    client.wait_all_subscribed(PATIENCE)

    def test_a_wrong_answer_is_reported_and_logged(self):
        for answer, reason in {
            None: "the authorizer returned None",
            7: "the authorizer must return a mapping with 'auth', or JSON, not int",
            (): "the authorizer must return a mapping with 'auth', or JSON, not tuple",
        }.items():
            with self.subTest(answer=answer), self.assertLogs("pusher_channels") as logged:
                with client_with(authorizer=lambda channel, socket_id: answer) as client:
                    client.subscribe("private-orders")
                    with self.assertRaisesRegex(PusherError, reason):
                        client.wait_all_subscribed(PATIENCE)
            self.assertIn(f"the authorizer for the channel 'private-orders' is not valid: {reason}", logged.output[0])
        with client_with(batch_authorizer=lambda requests: None) as client:
            client.subscribe("private-orders")
            with self.assertRaisesRegex(PusherError, "the batch authorizer returned None"):
                client.wait_all_subscribed(PATIENCE)
        with client_with(user_authenticator=lambda socket_id: {"auth": "x"}) as client:
            client.sign_in()
            error = next_of(client, Kind.ERROR).error
        self.assertIn("the user authenticator returned a mapping without 'user_data'", str(error))

    def test_the_exception_of_an_authorizer_is_logged_with_its_traceback(self):
        def authorize(*_):
            raise LookupError("there is no such table")

        for authorizer, reason in {
            "authorizer": "the authorizer for the channel 'private-orders' has raised",
            "batch_authorizer": "the batch authorizer for the channels ['private-orders'] has raised",
        }.items():
            with self.subTest(authorizer=authorizer), self.assertLogs("pusher_channels") as logged:
                with client_with(**{authorizer: authorize}) as client:
                    client.subscribe("private-orders")
                    with self.assertRaisesRegex(PusherError, "LookupError: there is no such table"):
                        client.wait_all_subscribed(PATIENCE)
            self.assertIn(f"{reason}\nTraceback", logged.output[0])
            self.assertIn("in authorize", logged.output[0])
        with self.assertLogs("pusher_channels") as logged, client_with(user_authenticator=authorize) as client:
            client.sign_in()
            next_of(client, Kind.ERROR)
        self.assertIn("the user authenticator has raised\nTraceback", logged.output[0])

    def test_json_that_is_no_answer_is_a_refusal(self):
        for answer in ("<html>", b"\xff", "", "{}"):
            with self.subTest(answer=answer):
                with client_with(authorizer=lambda *_: answer, user_authenticator=lambda socket_id: answer) as client:
                    client.subscribe("private-orders")
                    with self.assertRaises(PusherError) as caught:
                        client.wait_all_subscribed(PATIENCE)
                    self.assertIs(caught.exception.result, Result.ERR_AUTH_REFUSED)
                    self.assertIn("PusherError: ", str(caught.exception))
                    client.sign_in()
                    self.assertIs(next_of(client, Kind.ERROR).error.result, Result.ERR_AUTH_REFUSED)

    def test_json_that_is_no_answer_is_an_error_of_the_call(self):
        with client_with() as client:
            subscribe = functools.partial(client.subscribe_with_auth_json, "private-orders")
            for call in (subscribe, client.sign_in_with_auth_json):
                for answer in ("<html>", b"{}"):
                    with self.assertRaises(PusherError) as caught:
                        call(answer)
                    self.assertIs(caught.exception.result, Result.ERR_AUTH_MALFORMED)
                for answer in (None, 7, {"auth": "x"}):
                    with self.assertRaisesRegex(TypeError, "as str or bytes, not"):
                        call(answer)
            self.assertEqual(client.channels(), [])


if __name__ == "__main__":
    unittest.main()
