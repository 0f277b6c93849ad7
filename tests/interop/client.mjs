// The official client, connected to a server on loopback. Its errors are told to the test.

import PusherClient from "pusher-js";

import { say } from "./common.mjs";

// `authorization` is what an application configures beside the address.
export function clientFor({ key, host, port }, authorization) {
  const client = new PusherClient(key, {
    wsHost: host,
    wsPort: port,
    forceTLS: false,
    enabledTransports: ["ws"],
    cluster: "x",
    ...authorization,
  });
  client.connection.bind("error", (error) => say({ error }));
  return client;
}
