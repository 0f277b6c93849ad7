// The official client, as a member of a presence channel. It signs with the official server SDK, and subscribes at once.
// It prints each notification as one JSON object a line: `{"subscribed": {"me": .., "members": ..}}`,
// `{"added": {"id": .., "info": ..}}`, `{"removed": ..}`, `{"event": {"data": .., "user_id": ..}}`, `{"error": ..}`.
//
// The line of input `{"trigger": ..}` sends its data as the client event `client-message`. The line `{"leave": true}`
// unsubscribes. The program ends when its input ends.
//
// node member.mjs --host 127.0.0.1 --port 6001 --app-id app-id --key app-key --secret app-secret \
//   --channel presence-room --member '{"user_id":"ann","user_info":{}}'

import { clientFor } from "./client.mjs";
import { lines, options, say, sdkFor } from "./common.mjs";

const settings = options("host", "port", "app-id", "key", "secret", "channel", "member");
const sdk = sdkFor(settings);
const member = JSON.parse(settings.member);

const client = clientFor(settings, {
  channelAuthorization: {
    customHandler: ({ socketId, channelName }, callback) => {
      callback(null, sdk.authorizeChannel(socketId, channelName, member));
    },
  },
});

const channel = client.subscribe(settings.channel);
channel.bind("pusher:subscription_succeeded", ({ me, members }) => say({ subscribed: { me, members } }));
channel.bind("pusher:subscription_error", (error) => say({ error }));
channel.bind("pusher:member_added", (added) => say({ added }));
channel.bind("pusher:member_removed", (removed) => say({ removed }));
channel.bind("client-message", (data, { user_id }) => say({ event: { data, user_id } }));

for await (const line of lines(process.stdin)) {
  const command = JSON.parse(line);
  if ("trigger" in command) channel.trigger("client-message", command.trigger);
  if (command.leave) channel.unsubscribe();
}
process.exit(0);
