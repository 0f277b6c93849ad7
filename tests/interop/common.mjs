// The code that the scripts share: their options, the official server SDK, and lines of JSON on stdin and stdout.

import { parseArgs } from "node:util";

import Pusher from "pusher";

// A server that does not answer on loopback in this time is dead; the SDK itself would wait for ever.
const REQUEST_TIMEOUT_MS = 10_000;

// The values of these options. Each value is a text. An option may be missing if its name ends in `?`.
export function options(...names) {
  const name = (name) => name.replace("?", "");
  const { values } = parseArgs({ options: Object.fromEntries(names.map((n) => [name(n), { type: "string" }])) });
  const missing = names.find((n) => !n.endsWith("?") && !values[n]);
  if (missing) throw new Error(`--${missing} is missing`);
  return values;
}

// The host and the port are for publishing. Signing needs neither.
export function sdkFor({ host = "127.0.0.1", port, "app-id": appId, key, secret, "master-key": encryptionMasterKeyBase64 }) {
  const timeout = REQUEST_TIMEOUT_MS;
  return new Pusher({ appId, key, secret, host, port, useTLS: false, timeout, encryptionMasterKeyBase64 });
}

// `node:readline` also ends a line at U+2028 and U+2029, which may stand inside a JSON string.
export async function* lines(stream) {
  let rest = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    const complete = (rest + chunk).split("\n");
    rest = complete.pop();
    yield* complete;
  }
  if (rest !== "") yield rest;
}

// Prints one JSON object on a line, for the test.
export function say(object) {
  process.stdout.write(JSON.stringify(object) + "\n");
}
