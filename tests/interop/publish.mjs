// Publishes with the official SDK what it reads on stdin, one JSON object a line: {"channel": .., "event": .., "data": ..}.
// Each event is awaited before the next one is sent, so the order of the lines is the order of the events, and each is
// answered by the line `ok`. The first failure ends the program with its reason on stderr.
//
// node publish.mjs --host 127.0.0.1 --port 6001 --app-id app-id --key app-key --secret app-secret

import { parseArgs } from "node:util";

import Pusher from "pusher";

// A server that does not answer on loopback in this time is dead; the SDK itself would wait for ever.
const REQUEST_TIMEOUT_MS = 10_000;

async function main() {
  const sdk = new Pusher(options());
  let number = 0;
  for await (const line of lines(process.stdin)) {
    number += 1;
    try {
      const { channel, event, data } = JSON.parse(line);
      await accepted(await sdk.trigger(channel, event, data));
    } catch (error) {
      throw new Error(`event ${number}: ${reason(error)}`);
    }
    process.stdout.write("ok\n");
  }
}

function options() {
  const text = { type: "string" };
  const { values } = parseArgs({ options: { host: text, port: text, "app-id": text, key: text, secret: text } });
  for (const name of ["host", "port", "app-id", "key", "secret"]) {
    if (!values[name]) throw new Error(`--${name} is missing`);
  }
  const { host, port, "app-id": appId, key, secret } = values;
  return { appId, key, secret, host, port, useTLS: false, timeout: REQUEST_TIMEOUT_MS };
}

// soketi refuses with an `error` in the body of an answer whose status is 200, which the SDK takes for success.
async function accepted(response) {
  const { error } = await response.json();
  if (error) throw new Error(`refused by the server: ${error}`);
}

// `node:readline` also ends a line at U+2028 and U+2029, which may stand inside a JSON string.
async function* lines(stream) {
  let rest = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    const complete = (rest + chunk).split("\n");
    rest = complete.pop();
    yield* complete;
  }
  if (rest !== "") yield rest;
}

// The SDK's error says "Unexpected status code 400" and keeps what the server answered, or why it did not, beside it.
function reason(error) {
  const details = [error.body, error.error?.message].filter(Boolean);
  return [error.message, ...details].join(": ");
}

main().catch((error) => {
  console.error(`publish: ${error.message}`);
  process.exit(1);
});
