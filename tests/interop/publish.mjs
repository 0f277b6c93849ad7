// Publishes events with the official SDK. Each line of stdin has one event as a JSON object:
// {"channel": .., "event": .., "data": ..}, or {"user": .., "event": .., "data": ..} for an event that is sent to a user.
// The next event is sent after the last one was accepted, so the events keep the order of the lines. The line `ok` confirms
// each event. The first failure ends the program, which prints the reason on stderr.
//
// node publish.mjs --host 127.0.0.1 --port 6001 --app-id app-id --key app-key --secret app-secret [--master-key BASE64]

import { lines, sdkFor, options } from "./common.mjs";

async function main() {
  const sdk = sdkFor(options("host", "port", "app-id", "key", "secret", "master-key?"));
  let number = 0;
  for await (const line of lines(process.stdin)) {
    number += 1;
    try {
      const { channel, user, event, data } = JSON.parse(line);
      await accepted(await (user ? sdk.sendToUser(user, event, data) : sdk.trigger(channel, event, data)));
    } catch (error) {
      throw new Error(`event ${number}: ${reason(error)}`);
    }
    process.stdout.write("ok\n");
  }
}

// soketi refuses an event by an answer with the status 200 and an `error` in its body. The SDK takes it for success.
async function accepted(response) {
  const { error } = await response.json();
  if (error) throw new Error(`refused by the server: ${error}`);
}

// The error of the SDK says "Unexpected status code 400". The answer of the server, or the failure, is in other fields.
function reason(error) {
  const details = [error.body, error.error?.message].filter(Boolean);
  return [error.message, ...details].join(": ");
}

main().catch((error) => {
  console.error(`publish: ${error.message}`);
  process.exit(1);
});
