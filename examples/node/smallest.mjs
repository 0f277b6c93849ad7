// Prints the events of the channel `news`: node smallest.mjs ws://127.0.0.1:6001/app/app-key
import { Client } from "pusher-channels-koffi";

const client = new Client({ url: process.argv[2] });
await client.connect();
client.subscribe("news");
for await (const { kind, data } of client) {
  if (kind === "event") console.log(data);
}
