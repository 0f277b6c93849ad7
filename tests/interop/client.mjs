// The official client, connected to a server on loopback. It prints its errors for the test.

import PusherClient from "pusher-js";

import { say } from "./common.mjs";

// `authorization` has the options of the application beside the address.
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
