// The Node binding: what it does beside what its demo shows.
//
// tests/capi/languages runs this, and sets PUSHER_CHANNELS_LIBRARY and the variables of examples/playground, which serves.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";

import { Client, PusherError } from "../../examples/node/pusher_channels.mjs";

const PATIENCE_MS = 10_000;
const { PUSHER_HOST: host, PUSHER_PORT: port, PUSHER_KEY: key, PUSHER_AUTH_ENDPOINT: auth_endpoint } = process.env;

const clientWith = (options = {}) => new Client({ host, port, key, tls: false, ...options });

async function nextOf(client, kind) {
  for await (const notification of client) if (notification.kind === kind) return notification;
  throw new Error(`no ${kind} came`);
}

test("methods give what the header promises", async () => {
  const client = clientWith({ auth_endpoint, auth_params: { user_id: "node" } });
  assert.equal(client.state, "disconnected");
  assert.equal(client.socketId, undefined);
  await client.connect(PATIENCE_MS);
  assert.equal(client.state, "connected");
  assert.match(client.socketId, /^\d+\.\d+$/);
  client.subscribe("presence-kitchen");
  await client.waitSubscribed("presence-kitchen", PATIENCE_MS);
  assert.equal(client.isSubscribed("presence-kitchen"), true);
  assert.deepEqual(client.channels, ["presence-kitchen"]);
  assert.deepEqual(client.members("presence-kitchen").map(({ id }) => id).sort(), ["ann", "node"]);
  assert.deepEqual(client.me("presence-kitchen"), { id: "node", info: { name: "node" } });
  assert.equal(client.member("presence-kitchen", "bob"), undefined);
  const event = await nextOf(client, "event");
  assert.deepEqual([event.channel, event.name], ["presence-kitchen", "published"]);
  assert.equal(client.userId, undefined);
  assert.equal(client.statistic("connections"), 1);
  assert.equal(client.statistic("last_close_code"), undefined);
  client.unsubscribe("presence-kitchen");
  assert.deepEqual(client.channels, []);
  await client[Symbol.asyncDispose]();
});

test("the event loop goes on while the client waits, and closing ends the wait", async () => {
  const client = clientWith();
  await client.connect(PATIENCE_MS);
  while ((await nextOf(client, "connection_state_change")).state !== "connected");
  assert.equal(client.length, 0);
  let turns = 0;
  const timer = setInterval(() => (turns += 1) === 20 && client.close(), 1);
  for await (const notification of client) assert.notEqual(notification.kind, "event");
  clearInterval(timer);
  assert.ok(turns >= 20);
  assert.equal(await client.next(), null);
  assert.throws(() => client.subscribe("news"), { code: "PUSHER_ERR_HANDLE" });
});

test("a wait with a timeout ends in time", async () => {
  const client = clientWith();
  const begun = performance.now();
  assert.equal(await client.next(300), undefined);
  assert.ok(performance.now() - begun >= 299);
  await client.close();
});

test("errors tell in words what went wrong, also where another thread waited", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const unused = server.address().port;
  server.close();
  await once(server, "close");

  const client = clientWith({ port: unused });
  client.connectBackground();
  let change;
  do change = await nextOf(client, "connection_state_change");
  while (!change.error);
  assert.ok(change.error instanceof PusherError);
  assert.equal(change.error.code, "PUSHER_ERR_TCP");
  assert.match(change.error.message, /^tcp: /);
  assert.deepEqual([change.error.isRetryable, change.error.isAuth], [true, false]);
  await assert.rejects(client.connect(300), { code: "PUSHER_ERR_WAIT_TIMEOUT", isTimeout: true });
  await assert.rejects(client.waitSubscribed("news", PATIENCE_MS), { code: "PUSHER_ERR_NOT_SUBSCRIBED" });
  await client.close();
  assert.throws(() => clientWith({ colour: "blue" }), { code: "PUSHER_ERR_OPTION" });
  assert.throws(() => clientWith({ path_prefix: "\0" }), TypeError);
});

test("a subscription that is refused rejects", async () => {
  const client = clientWith();
  await client.connect(PATIENCE_MS);
  client.subscribe("private-orders");
  await assert.rejects(client.waitSubscribed("private-orders", PATIENCE_MS), { code: "PUSHER_ERR_NO_AUTHORIZER" });
  assert.equal((await nextOf(client, "subscription_error")).error.code, "PUSHER_ERR_NO_AUTHORIZER");
  await client.close();
});

test("a process may exit while a client waits", async () => {
  const binding = new URL("../../examples/node/pusher_channels.mjs", import.meta.url);
  const program = `
    import { Client } from ${JSON.stringify(binding.href)};
    const client = new Client(${JSON.stringify({ host, port, key, tls: false })});
    await client.connect(${PATIENCE_MS});
    let change;
    do change = await client.next();
    while (change.state !== "connected");
    client.next();
    process.exit(7);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
  assert.deepEqual(await once(child, "exit"), [7, null]);
});
