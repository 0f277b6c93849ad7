// The official client with an HTTP endpoint for channels and one for users. The line of input `{"subscribe": CHANNEL}`
// subscribes to a channel, and `{"signin": true}` signs in. The client prints each notification as one JSON object a line:
// `{"channel": .., "event": .., "data": ..}`, `{"user": ID, "event": .., "data": ..}`, `{"signedIn": ID}`,
// `{"online": IDS}`, `{"offline": IDS}`, `{"error": ..}`. The program ends when its input ends.
//
// node observer.mjs --host 127.0.0.1 --port 6001 --key app-key --channel-endpoint URL --user-endpoint URL \
//   --headers JSON --params JSON ..

import { clientFor } from "./client.mjs";
import { lines, options, say } from "./common.mjs";

const settings = options(
  "host", "port", "app-id", "key", "secret", "channel-endpoint", "user-endpoint", "headers", "params",
);
const request = { transport: "ajax", headers: JSON.parse(settings.headers), params: JSON.parse(settings.params) };

const client = clientFor(settings, {
  channelAuthorization: { ...request, endpoint: settings["channel-endpoint"] },
  userAuthentication: { ...request, endpoint: settings["user-endpoint"] },
});
client.bind("pusher:signin_success", ({ user_data }) => say({ signedIn: JSON.parse(user_data).id }));
client.user.bind_global((event, data) => say({ user: client.user.user_data.id, event, data }));
for (const status of ["online", "offline"]) {
  client.user.watchlist.bind(status, ({ user_ids }) => say({ [status]: user_ids }));
}

for await (const line of lines(process.stdin)) {
  const command = JSON.parse(line);
  if (command.signin) client.signin();
  if (command.subscribe) {
    const channel = client.subscribe(command.subscribe);
    channel.bind_global((event, data) => say({ channel: channel.name, event, data }));
  }
}
process.exit(0);
