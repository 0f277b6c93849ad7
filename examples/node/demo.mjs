// Three channels, a client event, and a connection that drops.
//
// npm --prefix bindings/node ci && npm --prefix examples/node ci
// LD_LIBRARY_PATH=target/release cargo run --example playground -- node examples/node/demo.mjs

import { Client } from "pusher-channels-koffi";

const CHANNELS = ["news", "private-orders", "presence-kitchen"];
const PATIENCE_MS = 30_000;

const { PUSHER_HOST, PUSHER_PORT, PUSHER_KEY, PUSHER_AUTH_ENDPOINT } = process.env;

const client = new Client({
  host: PUSHER_HOST,
  port: PUSHER_PORT,
  key: PUSHER_KEY,
  tls: false,
  auth_endpoint: PUSHER_AUTH_ENDPOINT,
  auth_params: { user_id: "node" },
});

const awaited = new Set(["presence-kitchen: client-welcome", "an event after that"]);
for (const channel of CHANNELS) awaited.add(`${channel}: published`).add(`${channel}: subscribed again`);
const notYetAgain = new Set(CHANNELS);

// Events come all the time, and the first of each kind is enough.
function strike(news, data = "") {
  if (awaited.delete(news)) console.log(news, data);
}

const on = {
  event({ channel, name, data }) {
    strike(notYetAgain.size === 0 ? "an event after that" : `${channel}: ${name}`, data);
  },
  subscription_succeeded({ channel, resubscribed, gap }) {
    if (resubscribed) {
      notYetAgain.delete(channel);
      console.log(`${channel}: not subscribed for ${gap} ms`);
      strike(`${channel}: subscribed again`);
    } else if (channel === "presence-kitchen") {
      console.log("in the kitchen:", client.members(channel).map(({ id }) => id).join(", "));
      client.trigger(channel, "client-hello", { from: "node" });
    }
  },
  connection_state_change({ previousState, state, error }) {
    console.log(`${previousState} -> ${state}`, error?.message ?? "");
    if (state === "failed") throw error;
  },
  subscription_error({ channel, error }) {
    throw new Error(`cannot subscribe to ${channel}`, { cause: error });
  },
};

const giveUp = setTimeout(() => client.close(), PATIENCE_MS);
try {
  await client.connect(PATIENCE_MS);
  for (const channel of CHANNELS) client.subscribe(channel);
  for await (const notification of client) {
    on[notification.kind]?.(notification);
    if (awaited.size === 0) break;
  }
} finally {
  clearTimeout(giveUp);
  await client.close();
}
if (awaited.size > 0) {
  console.error(`${PATIENCE_MS / 1000} s have passed without: ${[...awaited].join(", ")}`);
  process.exitCode = 1;
}
