// Tests of the Node binding. README.md says how to run them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { getEventListeners, once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";

import { Client, PusherError, signChannel, signUser } from "pusher-channels-koffi";

const PATIENCE_MS = 10_000;
const { PUSHER_HOST: host, PUSHER_PORT: port, PUSHER_KEY: key, PUSHER_AUTH_ENDPOINT: auth_endpoint, PUSHER_SECRET: secret } = process.env;

const clientWith = (options = {}) => new Client({ host, port, key, tls: false, ...options });

async function nextOf(client, kind) {
  for await (const notification of client) if (notification.kind === kind) return notification;
  throw new Error(`no ${kind} came`);
}

function promised() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}

test("methods return the values that the header describes", async () => {
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
  await assert.rejects(client.disconnect(), { code: "PUSHER_ERR_HANDLE", message: /freed/ });
});

// Every function that waits. On the clients of `unansweredClients` none of these waits ends by itself.
const WAITS = {
  next: (client, ...wait) => client.next(...wait),
  connect: (client, ...wait) => client.connect(...wait),
  waitConnected: (client, ...wait) => client.waitConnected(...wait),
  waitSubscribed: (client, ...wait) => client.waitSubscribed("private-unanswered", ...wait),
  waitAllSubscribed: (client, ...wait) => client.waitAllSubscribed(...wait),
  waitSignedIn: (client, ...wait) => client.waitSignedIn(...wait),
  notifications: async (client, wait) => {
    for await (const _ of client.notifications(wait));
  },
};

// Makes a connected client, whose backend accepts requests without answering, and a client that stays connecting.
async function unansweredClients() {
  const server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  const endpoint = `http://127.0.0.1:${server.address().port}`;
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  silent.unref();
  const connected = clientWith({ auth_endpoint: endpoint, user_auth_endpoint: endpoint });
  await connected.connect(PATIENCE_MS);
  connected.subscribe("private-unanswered");
  connected.signIn();
  while (await connected.next(0));
  const connecting = new Client({ host: "127.0.0.1", port: silent.address().port, key, tls: false });
  connecting.connectBackground();
  while (await connecting.next(0));
  return { connected, connecting };
}

test("every wait rejects with the reason of its signal, at once, and leaves no listener", async () => {
  const { connected, connecting } = await unansweredClients();
  for (const [name, wait] of Object.entries(WAITS)) {
    const client = /onnect/.test(name) ? connecting : connected;
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("enough");
    let settled = false;
    const waited = wait(client, { signal }).finally(() => (settled = true));
    waited.catch(() => {});
    // The event loop goes on while the call waits.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(settled, false, name);
    assert.equal(getEventListeners(signal, "abort").length, 1, name);
    const begun = performance.now();
    controller.abort(reason);
    await assert.rejects(waited, (error) => error === reason, name);
    assert.ok(performance.now() - begun < 100, name);
    assert.equal(getEventListeners(signal, "abort").length, 0, name);

    const before = performance.now();
    await assert.rejects(wait(client, { signal }), (error) => error === reason, `${name}, aborted before`);
    await assert.rejects(wait(client, { signal: AbortSignal.abort() }), { name: "AbortError" }, name);
    assert.ok(performance.now() - before < 100, name);
    await assert.rejects(wait(client, { signal: AbortSignal.timeout(1) }), { name: "TimeoutError" }, name);
    await assert.rejects(wait(client, { signal: {} }), TypeError, name);
  }
  assert.equal(connecting.state, "connecting");
  await connecting.disconnect();
  while ((await connecting.next(PATIENCE_MS)).state !== "disconnected");
  await assert.rejects(connecting.connect({ signal: AbortSignal.abort() }), { name: "AbortError" });
  await connecting.disconnect();
  assert.equal(await connecting.next(0), undefined);
  await connected.close();
  await connecting.close();
});

test("a wait that ends by itself leaves no listener", async () => {
  const client = clientWith();
  const { signal } = new AbortController();
  assert.equal(await client.next(1, { signal }), undefined);
  await client.connect(PATIENCE_MS, { signal });
  assert.equal((await client.next({ timeout: PATIENCE_MS, signal })).kind, "connection_state_change");
  await assert.rejects(client.waitSubscribed("news", 1, { signal }), { code: "PUSHER_ERR_NOT_SUBSCRIBED" });
  assert.equal(getEventListeners(signal, "abort").length, 0);
  await client.close();
});

test("an aborted wait loses no notification and keeps the order", async () => {
  const client = clientWith();
  const changes = [];
  const read = ({ state }) => changes.push(state);
  // After each of these a thread of the pool may take the next notification.
  const aborted = async () => {
    const controller = new AbortController();
    const waited = client.next({ signal: controller.signal });
    controller.abort();
    await assert.rejects(waited, { name: "AbortError" });
  };
  await aborted();
  client.connectBackground();
  while (changes.at(-1) !== "connected") {
    const change = await client.next(PATIENCE_MS);
    read(change);
    if (client.length === 0) await aborted();
  }
  await client.disconnect();
  while (changes.at(-1) !== "disconnected") read(await client.next(PATIENCE_MS));
  assert.deepEqual(changes, ["connecting", "connected", "disconnecting", "disconnected"]);
  await client.close();
});

test("the notification that a thread has taken comes before those in the queue", async () => {
  const client = clientWith();
  const controller = new AbortController();
  const waited = client.next({ signal: controller.signal });
  controller.abort();
  await assert.rejects(waited, { name: "AbortError" });
  client.connectBackground();
  // The thread takes the first change in the meantime, and cannot pass it on before the event loop goes on.
  while (client.state !== "connected");
  let change;
  do change = await client.next(0);
  while (change === undefined && (await new Promise((resolve) => setImmediate(resolve, true))));
  assert.equal(change.state, "connecting");
  assert.equal((await client.next(PATIENCE_MS)).state, "connected");
  await client.close();
});

test("concurrent waits get one notification each", async () => {
  const client = clientWith();
  const waits = [client.next(PATIENCE_MS), client.next(PATIENCE_MS)];
  assert.equal(await client.next(20), undefined);
  await client.connect(PATIENCE_MS);
  assert.deepEqual((await Promise.all(waits)).map(({ state }) => state).sort(), ["connected", "connecting"]);
  await client.close();
});

test("timeouts that are no numbers of milliseconds are refused", async () => {
  const client = clientWith();
  for (const timeout of ["1", null, 1n]) await assert.rejects(client.next(timeout), TypeError, String(timeout));
  for (const timeout of [-1, NaN]) await assert.rejects(client.next({ timeout }), RangeError, String(timeout));
  assert.equal(await client.next(0), undefined);
  await client.close();
});

test("callbacks get their events in the order of arrival, until they are unbound", async () => {
  const client = clientWith({ auth_endpoint, auth_params: { user_id: "node" } });
  const heard = [];
  const { promise, resolve } = promised();
  const here = client.bind("presence-kitchen", "published", ({ channel, data }) => heard.push(["one", channel, data]));
  client.bind("presence-kitchen", null, ({ name, data }) => heard.push(["all", name, data]));
  client.bind(null, "published", ({ data }) => heard.length >= 9 && resolve(data));
  client.bind("news", "published", () => heard.push("the wrong channel"));
  client.bind("presence-kitchen", "other", () => heard.push("the wrong event"));
  const subscribed = promised();
  const notice = client.on("subscription_succeeded", "presence-kitchen", subscribed.resolve);
  client.on("subscription_succeeded", "news", () => heard.push("the wrong channel"));
  await client.connect(PATIENCE_MS);
  client.subscribe("presence-kitchen");
  assert.equal((await subscribed.promise).resubscribed, false);
  notice.unbind();
  await promise;
  assert.ok(!heard.some((one) => typeof one === "string"));
  const published = heard.filter(([, , data]) => data.startsWith('{"number"'));
  for (let index = 0; index + 1 < published.length; index += 2) {
    assert.deepEqual(published[index].slice(2), published[index + 1].slice(2));
    assert.deepEqual([published[index][0], published[index + 1][0]], ["one", "all"]);
  }
  // An iteration gets the first of these events, too.
  assert.equal((await nextOf(client, "event")).data, published[0][2]);

  here.unbind();
  client.unbind("presence-kitchen", null);
  heard.length = 0;
  const more = promised();
  let events = 0;
  client.bind(null, null, () => (events += 1) === 3 && more.resolve());
  await more.promise;
  assert.deepEqual(heard, []);
  await client.close();
});

test("the exception of a callback is uncaught, and the other callbacks run", async () => {
  const client = clientWith();
  const [thrown, other] = [promised(), promised()];
  const error = new Error("of the program");
  let wrong;
  process.setUncaughtExceptionCaptureCallback(thrown.resolve);
  const first = client.on("connection_state_change", null, () => {
    first.unbind();
    throw error;
  });
  const ending = client.on("connection_state_change", null, () => ended.unbind());
  const ended = client.on("connection_state_change", null, () => (wrong = "the callback before had unbound it"));
  client.on("connection_state_change", null, ({ state }) => state === "connected" && other.resolve());
  client.connectBackground();
  assert.equal(await thrown.promise, error);
  await other.promise;
  ending.unbind();
  assert.equal(wrong, undefined);
  process.setUncaughtExceptionCaptureCallback(null);
  await client.close();
});

test("binding a value that is no function is refused", async () => {
  const client = clientWith();
  for (const callback of [undefined, null, "callback", {}]) {
    assert.throws(() => client.bind("news", "published", callback), TypeError);
    assert.throws(() => client.on("event", null, callback), TypeError);
  }
  assert.throws(() => client.bind("published", () => {}), /a string is needed|must be a function/);
  assert.throws(() => client.bind(7, "published", () => {}), TypeError);
  assert.throws(() => client.on("subscribed", null, () => {}), /there are event, .*subscription_succeeded.*, lagged$/);
  await client.close();
});

test("the error for an unknown option names the nearest option by its name in Node", () => {
  for (const [option, value, nearest] of [
    ["authEndpoint", "x", "auth_endpoint"],
    ["forceTLS", true, "tls"],
    ["wsHost", "x", "host"],
    ["activityTimeout", 1, "activity_timeout_ms"],
    ["authHeaders", "x", "auth_headers"],
    ["header", "x", "headers"],
    ["auth_params_", "x", "auth_params"],
  ]) {
    const message = new RegExp(`no option "${option}" here; did you mean "${nearest}"\\?$`);
    assert.throws(() => clientWith({ [option]: value }), { code: "PUSHER_ERR_OPTION", message }, option);
  }
  assert.throws(() => clientWith({ overflow: "drop" }), /one of the texts block, drop_oldest, drop_newest, keep_latest/);
});

test("the answer of a backend is accepted as its text", async () => {
  const client = clientWith();
  await client.connect(PATIENCE_MS);
  assert.throws(() => client.subscribeWithAuth("private-orders", "<html>"), { code: "PUSHER_ERR_AUTH_MALFORMED" });
  const body = new URLSearchParams({ socket_id: client.socketId, channel_name: "private-orders" });
  const answer = await (await fetch(auth_endpoint, { method: "POST", body })).text();
  client.subscribeWithAuth("private-orders", answer);
  await client.waitAllSubscribed(PATIENCE_MS);
  assert.equal(client.isSubscribed("private-orders"), true);
  assert.throws(() => client.signInWithAuth("{}"), { code: "PUSHER_ERR_AUTH_MALFORMED" });
  await client.close();
});

test("a backend signs permissions that the server accepts", async () => {
  const signed = (text) => `${key}:${createHmac("sha256", secret).update(text).digest("hex")}`;
  assert.deepEqual(JSON.parse(signChannel(key, secret, "1.2", "private-a")), { auth: signed("1.2:private-a") });
  const encrypted = JSON.parse(signChannel(key, secret, "1.2", "private-encrypted-a", null, "BwcH"));
  assert.deepEqual(encrypted, { auth: signed("1.2:private-encrypted-a"), shared_secret: "BwcH" });
  const member = { user_id: "7", user_info: { name: "Ünal" } };
  for (const data of [member, JSON.stringify(member)]) {
    const { auth, channel_data } = JSON.parse(signChannel(key, secret, "1.2", "presence-a", data));
    assert.deepEqual([JSON.parse(channel_data), auth], [member, signed(`1.2:presence-a:${channel_data}`)]);
  }
  const { auth, user_data } = JSON.parse(signUser(key, secret, "1.2", { id: "7" }));
  assert.deepEqual([JSON.parse(user_data), auth], [{ id: "7" }, signed(`1.2::user::${user_data}`)]);
  for (const data of [7, undefined, null]) assert.throws(() => signUser(key, secret, "1.2", data), TypeError);
  assert.throws(() => signChannel(key, secret, "1.2", "presence-a", 7), TypeError);
  assert.throws(() => signChannel(key, secret, "1.2", undefined), TypeError);

  const client = clientWith();
  await client.connect(PATIENCE_MS);
  client.subscribeWithAuth("private-orders", signChannel(key, secret, client.socketId, "private-orders"));
  client.signInWithAuth(signUser(key, secret, client.socketId, { id: "7" }));
  await client.waitAllSubscribed(PATIENCE_MS);
  await client.waitSignedIn(PATIENCE_MS);
  assert.equal(client.userId, "7");
  await client.close();
});

test("a notification is shown in one line, without the data of events", async () => {
  const client = clientWith();
  await client.connect(PATIENCE_MS);
  client.subscribe("news");
  assert.equal(`${await nextOf(client, "subscription_succeeded")}`, "news: subscribed");
  const event = await nextOf(client, "event");
  assert.equal(String(event), `news: published (${event.data.length} bytes)`);
  assert.equal(event.text, String(event));
  assert.deepEqual(Object.keys(event), ["kind", "channel", "name", "data", "text"]);
  await client.close();
});

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const header = read("../../../src/capi/pusher_channels.h");
const source = read("../pusher_channels.mjs");

// The types of the parameters in a declaration, without their names.
const parametersOf = (declaration) =>
  declaration.split(",").map((parameter) => parameter.replace(/\w+\s*$/, "").replace(/\s+/g, " ").replace(/ ?\* ?/g, "*").trim());

test("the prototypes are those of the header", () => {
  const declarations = header.replace(/\/\*.*?\*\//gs, "").replaceAll("PUSHER_NULLABLE", "");
  const declared = new Map();
  for (const [, result, name, parameters] of declarations.matchAll(/^(\w+) (pusher_\w+)\(([^()]*)\);/gm)) {
    declared.set(name, [result, parametersOf(parameters)]);
  }
  assert.deepEqual(declared.get("pusher_next"), ["int32_t", ["pusher_client*", "int32_t", "pusher_notification**"]]);
  const prototypes = [...source.matchAll(/^  (\w+) (pusher_\w+)\(([^()]*)\);$/gm)];
  assert.ok(prototypes.length > 50);
  for (const [, result, name, parameters] of prototypes) {
    const [wantedResult, wanted] = declared.get(name);
    // The binding reads text by its address, and passes data, which may contain a NUL, as bytes.
    const inNode = parametersOf(parameters.replaceAll("_Out_ ", "").replaceAll("const void *", "const char *"));
    assert.deepEqual([result, inNode], [wantedResult, wanted.map((type) => type.replace("const char**", "void**"))], name);
  }
  const names = new Set(prototypes.map(([, , name]) => name));
  for (const [, name] of source.matchAll(/\bc\.(pusher_\w+)/g)) assert.ok(names.has(name), name);
});

test("the numbers of results are those of the header", () => {
  const numbers = [...source.match(/^const Result = {(.*)};$/m)[1].matchAll(/(\w+): (\d+)/g)];
  assert.equal(numbers.length, 5);
  for (const [, name, number] of numbers) assert.match(header, new RegExp(`\\bPUSHER_${name} = ${number},?\\s`), name);
});

// The compiler checks the use of the types. This test compares the types with the binding and with the library.
test("the types name every method, option and kind, and only counters that exist", async () => {
  const types = read("../pusher_channels.d.mts");
  const part = (start, end) => types.slice(types.indexOf(start), types.indexOf(end, types.indexOf(start)));
  const methods = Object.getOwnPropertyNames(Client.prototype).filter((name) => name !== "constructor");
  assert.ok(methods.length > 25);
  for (const name of methods) assert.match(part("class Client", "\n}"), new RegExp(`^  (get )?${name}[(<]`, "m"), name);

  const [, listed] = header.match(/Where the server is:(.*?)int32_t pusher_config_set\(/s);
  const options = [...listed.matchAll(/^ \*   (\w+)(?=\n? .* (?:text|integer|boolean) )/gm)].map(([, name]) => name);
  assert.ok(options.length > 38);
  for (const name of options) assert.match(part("interface ClientOptions", "\n}"), new RegExp(`^  ${name}\\?: `, "m"), name);

  const numbered = [...header.matchAll(/^    PUSHER_KIND_(\w+) = (\d+)/gm)];
  const kinds = numbered.map(([, name]) => name.toLowerCase());
  // The numbers of kinds have no gap, so the expression has found every kind.
  assert.ok(kinds.includes("event") && kinds.includes("lagged"));
  assert.deepEqual(numbered.map(([, , number]) => Number(number)), kinds.map((_, index) => index + 1));
  for (const kind of kinds) assert.ok(types.includes(`kind: "${kind}"`) || types.includes(`MemberChange<"${kind}">`), kind);

  const client = clientWith();
  const counters = [...part("type Counter", ";").matchAll(/"(\w+)"/g)].map(([, name]) => name);
  assert.equal(counters.length, 16);
  for (const counter of counters) client.statistic(counter);
  await client.close();
});

test("a client is shown in one line, without its options", async () => {
  const client = clientWith({ secret: "canary" });
  assert.equal(inspect(client), "Client(disconnected, 0 channels)");
  client.subscribe("news");
  assert.equal(inspect({ client }), "{ client: Client(disconnected, 1 channels) }");
  await client.close();
  assert.equal(inspect(client), "Client(closed)");
});

test("importing without the library names the variable to set and the command to build it", async () => {
  const binding = new URL("../pusher_channels.mjs", import.meta.url);
  const env = { ...process.env, PUSHER_CHANNELS_LIBRARY: "/nowhere/libpusher_channels.so" };
  const child = spawn(process.execPath, [binding.pathname], { env, stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (data) => (output += data));
  assert.deepEqual(await once(child, "close"), [1, null]);
  for (const part of ["/nowhere/libpusher_channels.so", "set PUSHER_CHANNELS_LIBRARY", "cargo rustc --release"]) {
    assert.ok(output.includes(part), output);
  }
});

test("a wait with a timeout ends in time", async () => {
  const client = clientWith();
  const begun = performance.now();
  assert.equal(await client.next(300), undefined);
  assert.ok(performance.now() - begun >= 299);
  await client.close();
});

test("errors have a text, also after a wait on another thread", async () => {
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
  const late = { code: "PUSHER_ERR_WAIT_TIMEOUT", isTimeout: true, message: / within 300ms$/ };
  await assert.rejects(client.connect(300), late);
  await assert.rejects(client.waitSubscribed("news", PATIENCE_MS), { code: "PUSHER_ERR_NOT_SUBSCRIBED" });
  await client.close();
  assert.throws(() => clientWith({ colour: "blue" }), { code: "PUSHER_ERR_OPTION" });
  assert.throws(() => clientWith({ path_prefix: "\0" }), TypeError);
});

test("the wait for a refused subscription rejects", async () => {
  const client = clientWith();
  await client.connect(PATIENCE_MS);
  client.subscribe("private-orders");
  await assert.rejects(client.waitSubscribed("private-orders", PATIENCE_MS), { code: "PUSHER_ERR_NO_AUTHORIZER" });
  assert.equal((await nextOf(client, "subscription_error")).error.code, "PUSHER_ERR_NO_AUTHORIZER");
  await client.close();
});

test("a process may exit while a client waits", async () => {
  const binding = new URL("../pusher_channels.mjs", import.meta.url);
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
