// Publishes with the official SDK what it reads on stdin, one JSON object a line: {"channel": .., "event": .., "data": ..},
// or {"user": .., "event": .., "data": ..} for what is sent to a user.
// Each event is awaited before the next one is sent, so the order of the lines is the order of the events, and each is
// answered by the line `ok`. The first failure ends the program with its reason on stderr.
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

// soketi refuses with an `error` in the body of an answer whose status is 200, which the SDK takes for success.
async function accepted(response) {
  const { error } = await response.json();
  if (error) throw new Error(`refused by the server: ${error}`);
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
