// Code that the compiler accepts, and code that it refuses. This file is compiled, and never runs.

import { Client, type Notification, PusherError, signChannel, signUser } from "pusher-channels-koffi";

const client = new Client({
  key: "k",
  host: "localhost",
  port: 6001,
  tls: false,
  overflow: "keep_latest",
  auth_params: { user_id: "ann" },
  client_name: ["me", "1.0"],
});
const { signal } = new AbortController();

await client.connect();
await client.connect(1_000);
await client.connect(1_000, { signal });
await client.connect({ timeout: 1_000, signal });
await client.waitConnected({ signal });
await client.waitSubscribed("news", 1_000, { signal });
await client.waitSubscribed("news", { timeout: 1_000 });
await client.waitAllSubscribed({ signal });
await client.waitSignedIn(1_000);

const next: Notification | undefined | null = await client.next({ timeout: 0, signal });
if (next?.kind === "event") {
  const texts: string[] = [next.name, next.data, next.channel ?? ""];
  texts.sort();
}
for await (const notification of client.notifications({ signal })) {
  if (notification.kind === "connection_state_change" && notification.state === "failed") break;
  if (notification.kind === "subscription_error") throw notification.error;
  if (notification.kind === "watchlist") notification.users.map((user) => user.length);
}
for await (const { kind } of client) kind satisfies string;

const binding = client.bind("news", "published", ({ data }) => data.length);
client.bind(null, null, (event) => event.name.length);
client.on("member_added", "presence-room", ({ userId }) => userId.length);
binding.unbind();
client.unbind("news");
client.subscribeWithAuth("private-a", '{"auth": "k:s"}');
client.subscribeWithAuth("private-a", { auth: "k:s", channel_data: null });
client.signInWithAuth({ auth: "k:s", user_data: "{}" });
client.subscribeWithAuth("presence-a", signChannel("k", "s", "1.1", "presence-a", { user_id: "7", user_info: {} }));
client.subscribeWithAuth("private-encrypted-a", signChannel("k", "s", "1.1", "private-encrypted-a", null, "BwcH"));
client.signInWithAuth(signUser("k", "s", "1.1", { id: "7", watchlist: ["8"] }));
next?.text.length;
client.trigger("private-a", "client-hello", { any: ["thing"] });
const count: number | undefined = client.statistic("events") ?? client.subscriptionCount("news");
count?.toFixed();

try {
  client.subscribe("news");
} catch (error) {
  if (error instanceof PusherError) error.code.startsWith("PUSHER_ERR_");
}
await using later = client;
later satisfies Client;

// @ts-expect-error: there is no such option.
new Client({ authEndpoint: "http://localhost" });
// @ts-expect-error: there is no such policy.
new Client({ overflow: "drop" });
// @ts-expect-error: the channel comes first, and the callback last.
client.bind("published", (event: unknown) => event);
// @ts-expect-error: this is not callable.
client.bind("news", "published", "callback");
// @ts-expect-error: there is no such kind.
client.on("subscribed", null, () => {});
// @ts-expect-error: a member has an id.
signChannel("k", "s", "1.1", "presence-a", {});
// @ts-expect-error: there may be no notification.
next.kind;
// @ts-expect-error: other notifications have no name.
if (next?.kind === "lagged") next.name;
// @ts-expect-error: a timeout is a number.
client.next("1 s");
// @ts-expect-error: there is no such counter.
client.statistic("event");
