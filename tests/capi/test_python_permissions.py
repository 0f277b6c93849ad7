"""The Python binding: the answers of backends as JSON, and backends that sign."""

import base64
import json
import os
import unittest

from python_support import PATIENCE, client_with, next_of, signature

from pusher_channels import Kind, PusherError, Result, sign_channel, sign_user

KEY, SECRET = os.environ["PUSHER_KEY"], os.environ["PUSHER_SECRET"]


def channel_answer(channel, socket_id):
    return sign_channel(KEY, SECRET, socket_id, channel)


def user_answer(socket_id):
    return sign_user(KEY, SECRET, socket_id, {"id": "7"})


class Signing(unittest.TestCase):
    def test_f5_a_channel_is_signed(self):
        answer = json.loads(sign_channel(KEY, SECRET, "1.2", "private-orders"))
        self.assertEqual(answer, {"auth": signature("1.2:private-orders")})

    def test_f5_a_presence_channel_is_signed_with_its_member(self):
        member = {"user_id": "7", "user_info": {"name": "Ünal"}}
        for data in (member, json.dumps(member)):
            answer = json.loads(sign_channel(KEY, SECRET, "1.2", "presence-room", data))
            self.assertEqual(json.loads(answer["channel_data"]), member)
            self.assertEqual(answer["auth"], signature(f"1.2:presence-room:{answer['channel_data']}"))
        # JSON is signed as it is.
        answer = json.loads(sign_channel(KEY, SECRET, "1.2", "presence-room", '{ "user_id":  "7" }'))
        self.assertEqual(answer["channel_data"], '{ "user_id":  "7" }')

    def test_f5_the_key_of_an_encrypted_channel_is_in_the_answer(self):
        secret = base64.b64encode(bytes(32)).decode()
        answer = json.loads(sign_channel(KEY, SECRET, "1.2", "private-encrypted-a", shared_secret=secret))
        self.assertEqual(answer, {"auth": signature("1.2:private-encrypted-a"), "shared_secret": secret})

    def test_f5_a_user_is_signed(self):
        answer = json.loads(sign_user(KEY, SECRET, "1.2", {"id": "7"}))
        self.assertEqual(json.loads(answer["user_data"]), {"id": "7"})
        self.assertEqual(answer["auth"], signature(f"1.2::user::{answer['user_data']}"))

    def test_f5_other_data_is_refused(self):
        for data in (7, b"{}", ["user_id"]):
            with self.assertRaisesRegex(TypeError, "channel_data must be a mapping or a str"):
                sign_channel(KEY, SECRET, "1.2", "presence-room", data)
            with self.assertRaisesRegex(TypeError, "user_data must be a mapping or a str"):
                sign_user(KEY, SECRET, "1.2", data)

    def test_f5_what_was_signed_serves(self):
        with client_with() as client:
            member = {"user_id": "py"}
            answer = sign_channel(KEY, SECRET, client.socket_id, "presence-kitchen", member)
            client.subscribe_with_auth_json("presence-kitchen", answer)
            client.subscribe_with_auth_json("private-orders", channel_answer("private-orders", client.socket_id).encode())
            client.wait_all_subscribed(PATIENCE)
            self.assertEqual(client.me("presence-kitchen").id, "py")
            client.sign_in_with_auth_json(user_answer(client.socket_id))
            client.wait_signed_in(PATIENCE)
            self.assertEqual(client.user_id, "7")


class Answers(unittest.TestCase):
    def test_f5_an_authorizer_may_return_json(self):
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

    def test_f5_a_batch_authorizer_may_return_json(self):
        def authorize(questions):
            answers = [channel_answer(*question) for question in questions]
            return [answer.encode() if index % 2 else answer for index, answer in enumerate(answers)]

        with client_with(batch_authorizer=authorize) as client:
            client.subscribe("private-orders")
            client.subscribe("private-tables")
            client.wait_all_subscribed(PATIENCE)

    def test_f5_a_batch_authorizer_returns_a_list(self):
        for answers in ("x", b"x", {"auth": "x"}):
            with self.subTest(answers=answers), client_with(batch_authorizer=lambda questions: answers) as client:
                client.subscribe("private-orders")
                with self.assertRaisesRegex(PusherError, "must return a list of answers, not"):
                    client.wait_all_subscribed(PATIENCE)

    def test_f5_json_that_is_no_answer_is_a_refusal(self):
        for answer in ("<html>", b"\xff", "", "{}"):
            with self.subTest(answer=answer):
                refuse = {"authorizer": lambda channel, socket_id: answer, "user_authenticator": lambda socket_id: answer}
                with client_with(**refuse) as client:
                    client.subscribe("private-orders")
                    with self.assertRaises(PusherError) as caught:
                        client.wait_all_subscribed(PATIENCE)
                    self.assertIs(caught.exception.result, Result.ERR_AUTH_REFUSED)
                    self.assertIn("PusherError: ", str(caught.exception))
                    client.sign_in()
                    self.assertIs(next_of(client, Kind.ERROR).error.result, Result.ERR_AUTH_REFUSED)

    def test_f5_json_that_is_no_answer_is_an_error_of_the_call(self):
        with client_with() as client:
            for call in (lambda json: client.subscribe_with_auth_json("private-orders", json), client.sign_in_with_auth_json):
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
