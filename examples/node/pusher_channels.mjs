// Pusher Channels for Node: a binding of the C library `pusher_channels` by koffi, which polls.
//
//     import { Client } from "./pusher_channels.mjs";
//
//     const client = new Client({ key: "app-key", cluster: "eu" });
//     await client.connect();
//     client.subscribe("news");
//     for await (const notification of client) {
//       if (notification.kind === "event") console.log(notification.channel, notification.name, notification.data);
//     }
//
// PUSHER_CHANNELS_LIBRARY names the shared library; otherwise it is looked for beside this file, then by the system.
//
// What waits is taken at once, on the event loop's thread. When nothing does, a thread of Node's pool waits for the
// next notification. So an event arrives without delay, the event loop is never blocked, and nothing turns while there
// is no event; but each client that is iterated over has one of the pool's threads, which are four unless
// UV_THREADPOOL_SIZE says more. No callback is ever registered: nothing but the event loop's thread calls JavaScript.
//
// Times are in milliseconds.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import koffi from "koffi";

const ABI_VERSION = 0x00010001;

// Node waits for the threads of its pool before it exits, so that none may wait for much longer.
const SLICE_MS = 250;

const Result = { OK: 0, NOTHING: 1, CLOSED: 2, ERR_HANDLE: 12, ERR_WAIT_TIMEOUT: 136 };

export class Client {
  #handle;

  // Options have the names that `pusher_config_set` in pusher_channels.h lists: key, cluster, host, port, tls, ...
  // `headers`, `auth_headers` and `auth_params` are objects, `client_name` and `client_identity_pem` arrays of two strings.
  constructor(options) {
    const config = made(c.pusher_config_new);
    try {
      for (const [name, value] of Object.entries(options)) configure(config, name, value);
      this.#handle = made(c.pusher_client_new, config);
    } finally {
      c.pusher_config_free(config);
    }
  }

  // Disconnects and ends the client. Whoever iterates over it comes to the end.
  async close() {
    await waiting.pusher_client_free(this.#handle);
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }

  // Resolves when there is a connection, and keeps trying until then. Rejects when the server refuses for good, or the
  // time is over. Why an attempt has failed is told by a notification.
  async connect(timeout) {
    this.connectBackground();
    await this.waitConnected(timeout);
  }

  // Returns at once, and keeps trying.
  connectBackground() {
    check(c.pusher_connect_background(this.#handle));
  }

  waitConnected(timeout) {
    return this.#wait("pusher_wait_connected", timeout);
  }

  disconnect() {
    check(c.pusher_disconnect(this.#handle));
  }

  // Skips the delay before the next attempt; while connected, looks whether the connection is alive.
  reconnectNow() {
    check(c.pusher_reconnect_now(this.#handle));
  }

  get state() {
    return optional(c.pusher_state, this.#handle, stateName);
  }

  // `undefined` while there is no connection.
  get socketId() {
    return text(c.pusher_socket_id, this.#handle);
  }

  setAuthHeader(name, value) {
    check(c.pusher_set_auth_header(this.#handle, string(name), string(value)));
  }

  setAuthParam(name, value) {
    check(c.pusher_set_auth_param(this.#handle, string(name), string(value)));
  }

  subscribe(channel) {
    check(c.pusher_subscribe(this.#handle, string(channel)));
  }

  // With a signature that is there already, made for `socketId`. It serves this connection alone.
  subscribeWithAuth(channel, { auth, channel_data = null, shared_secret = null }) {
    const optional = [channel_data, shared_secret].map((value) => value && string(value));
    check(c.pusher_subscribe_with_auth(this.#handle, string(channel), string(auth), ...optional));
  }

  unsubscribe(channel) {
    check(c.pusher_unsubscribe(this.#handle, string(channel)));
  }

  unsubscribeAll() {
    check(c.pusher_unsubscribe_all(this.#handle));
  }

  isSubscribed(channel) {
    return number(c.pusher_is_subscribed, this.#handle, string(channel)) === 1;
  }

  // Resolves when the server has confirmed the subscription, or rejects with what ended it otherwise.
  waitSubscribed(channel, timeout) {
    return this.#wait("pusher_wait_subscribed", timeout, string(channel));
  }

  get channels() {
    return list(c.pusher_channels, this.#handle).map(({ id }) => id);
  }

  // Of each its `id` and, parsed, the `info` that the app gives.
  members(channel) {
    return list(c.pusher_members, this.#handle, string(channel));
  }

  member(channel, id) {
    return list(c.pusher_member, this.#handle, string(channel), string(id))[0];
  }

  me(channel) {
    return list(c.pusher_me, this.#handle, string(channel))[0];
  }

  subscriptionCount(channel) {
    return number(c.pusher_subscription_count, this.#handle, string(channel));
  }

  // Sends an event, whose name begins with "client-", to the other subscribers; `data` is anything that JSON has.
  trigger(channel, event, data) {
    const json = Buffer.from(JSON.stringify(data));
    check(c.pusher_trigger(this.#handle, string(channel), string(event), json, json.length));
  }

  triggerText(channel, event, data) {
    const bytes = Buffer.from(data);
    check(c.pusher_trigger_text(this.#handle, string(channel), string(event), bytes, bytes.length));
  }

  signIn() {
    check(c.pusher_sign_in(this.#handle));
  }

  // By what the program's backend has said for `socketId`. Each connection needs another one.
  signInWithAuth({ auth, user_data }) {
    check(c.pusher_sign_in_with_auth(this.#handle, string(auth), string(user_data)));
  }

  waitSignedIn(timeout) {
    return this.#wait("pusher_wait_signed_in", timeout);
  }

  // `undefined` while nobody is signed in.
  get userId() {
    return text(c.pusher_user_id, this.#handle);
  }

  // A counter by its name, such as "events".
  statistic(counter) {
    const stats = made(c.pusher_stats_new, this.#handle);
    try {
      return number(c.pusher_stats_get, stats, string(counter));
    } finally {
      c.pusher_stats_free(stats);
    }
  }

  // The next notification; `undefined` when none comes in time, `null` when the client is closed.
  async next(timeout = Infinity) {
    const out = [null];
    let result = c.pusher_next(this.#handle, 0, out);
    for (const slice of slices(timeout)) {
      if (result !== Result.NOTHING) break;
      result = await waiting.pusher_next(this.#handle, slice, out);
    }
    if (result === Result.NOTHING) return undefined;
    if (result === Result.CLOSED || result === Result.ERR_HANDLE) return null;
    if (result !== Result.OK) throw new PusherError(result);
    return notification(out[0]);
  }

  // How many notifications wait.
  get length() {
    return number(c.pusher_length, this.#handle);
  }

  // Ends when the client is closed.
  async *[Symbol.asyncIterator]() {
    for (;;) {
      const next = await this.next();
      if (next === null) return;
      yield next;
    }
  }

  async #wait(name, timeout = Infinity, ...parameters) {
    for (const slice of slices(timeout)) {
      if ((await waiting[name](this.#handle, ...parameters, slice)) !== Result.ERR_WAIT_TIMEOUT) break;
    }
    // The error belongs to the thread that waited. Asked on this one, the client tells it again.
    check(c[name](this.#handle, ...parameters, 0));
  }
}

// What went wrong: `result` and its name `code`; perhaps the server's `closeCode`, an HTTP `status`, a word of `detail`,
// the `channel`, and the bare `serverMessage` of whoever refused.
export class PusherError extends Error {
  constructor(result, error) {
    super(error ? text(c.pusher_error_text, error) : name(result));
    this.name = "PusherError";
    this.result = result;
    this.code = name(result);
    if (!error) return;
    this.closeCode = number(c.pusher_error_code, error);
    this.status = number(c.pusher_error_status, error);
    this.detail = word(c.pusher_error_detail, error);
    this.channel = text(c.pusher_error_channel, error);
    this.serverMessage = text(c.pusher_error_message, error);
    this.isRetryable = number(c.pusher_error_is_retryable, error) === 1;
    this.isAuth = number(c.pusher_error_is_auth, error) === 1;
    this.isTimeout = number(c.pusher_error_is_timeout, error) === 1;
  }
}

// ---- Out of C -------------------------------------------------------------------------------------------------------

// Copies everything, and frees the notification.
function notification(handle) {
  try {
    const copy = { kind: word(c.pusher_kind_name, number(c.pusher_notification_kind, handle)) ?? "unknown" };
    for (const [field, read] of Object.entries(FIELDS)) {
      const value = read(handle);
      if (value !== undefined) copy[field] = value;
    }
    return copy;
  } finally {
    c.pusher_notification_free(handle);
  }
}

const FIELDS = {
  channel: (it) => text(c.pusher_notification_channel, it),
  name: (it) => text(c.pusher_notification_name, it),
  data: (it) => text(c.pusher_notification_data, it),
  userId: (it) => text(c.pusher_notification_user_id, it),
  userInfo: (it) => parsed(text(c.pusher_notification_user_info, it)),
  users: (it) => optional(c.pusher_notification_users, it, (users) => elements(users).map(({ id }) => id)),
  count: (it) => number(c.pusher_notification_count, it),
  reason: (it) => text(c.pusher_notification_reason, it),
  state: (it) => optional(c.pusher_notification_state, it, stateName),
  previousState: (it) => optional(c.pusher_notification_previous_state, it, stateName),
  attempt: (it) => number(c.pusher_notification_attempt, it),
  retryIn: (it) => number(c.pusher_notification_retry_in, it),
  resubscribed: (it) => optional(c.pusher_notification_resubscribed, it, (value) => value === 1),
  gap: (it) => number(c.pusher_notification_gap, it),
  error: (it) => optional(c.pusher_notification_error, it, (error) => new PusherError(resultOf(error), error)),
};

function list(read, ...parameters) {
  return optional(read, ...parameters, elements) ?? [];
}

// Copies a list, and frees it.
function elements(handle) {
  try {
    return Array.from({ length: number(c.pusher_list_length, handle) }, (_, index) => ({
      id: text(c.pusher_list_id, handle, index),
      info: parsed(text(c.pusher_list_info, handle, index)),
    }));
  } finally {
    c.pusher_list_free(handle);
  }
}

function parsed(json) {
  return json === undefined ? undefined : JSON.parse(json);
}

function made(make, ...parameters) {
  const out = [null];
  check(make(...parameters, out));
  return out[0];
}

// What a function gives through its last parameter, converted; `undefined` for PUSHER_NOTHING.
function optional(read, ...parameters) {
  const convert = parameters.pop();
  const out = [null];
  return check(read(...parameters, out)) === Result.OK ? convert(out[0]) : undefined;
}

function number(read, ...parameters) {
  return optional(read, ...parameters, Number);
}

// The length counts, because text that comes from a peer may contain a NUL.
function text(read, ...parameters) {
  const [address, length] = [[null], [0]];
  if (check(read(...parameters, address, length)) !== Result.OK) return undefined;
  return koffi.decode.string(address[0], Number(length[0]));
}

// A static text.
function word(read, parameter) {
  return optional(read, parameter, (address) => koffi.decode.string(address));
}

function name(result) {
  return word(c.pusher_result_name, result) ?? `PUSHER_ERR_${result}`;
}

function stateName(state) {
  return word(c.pusher_state_name, state);
}

function resultOf(error) {
  return number(c.pusher_error_result, error);
}

// Throws what is an error, in the words that the library has for this thread.
function check(result) {
  if (result <= Result.CLOSED) return result;
  throw new PusherError(result, optional(c.pusher_last_error, (error) => error));
}

// ---- Into C ---------------------------------------------------------------------------------------------------------

const PAIRS = {
  headers: "header",
  auth_headers: "auth_header",
  auth_params: "auth_param",
  client_name: "client_name",
  client_identity_pem: "client_identity_pem",
};

function configure(config, option, value) {
  if (value === undefined) return;
  if (option in PAIRS) {
    for (const [name, one] of Array.isArray(value) ? [value] : Object.entries(value)) {
      check(c.pusher_config_add(config, PAIRS[option], string(name), string(one)));
    }
  } else {
    check(c.pusher_config_set(config, string(option), string(String(value))));
  }
}

// A text without a NUL, which would end it too early.
function string(value) {
  if (typeof value !== "string") throw new TypeError(`a string is needed, not ${typeof value}`);
  if (value.includes("\0")) throw new TypeError("the text contains a NUL");
  return value;
}

// How long to wait at a time, until the time is over.
function* slices(timeout) {
  const end = performance.now() + timeout;
  for (let left = timeout; left > 0; left = end - performance.now()) yield Math.ceil(Math.min(left, SLICE_MS));
}

// ---- The functions --------------------------------------------------------------------------------------------------

function load() {
  const file = { win32: "pusher_channels.dll", darwin: "libpusher_channels.dylib" }[process.platform];
  const name = file ?? "libpusher_channels.so";
  const beside = fileURLToPath(new URL(name, import.meta.url));
  return koffi.load(process.env.PUSHER_CHANNELS_LIBRARY ?? (existsSync(beside) ? beside : name));
}

const library = load();

// As in the header, but for text that comes out, which is an address here, so that it may contain a NUL.
for (const type of ["config", "client", "notification", "error", "list", "stats"]) koffi.opaque(`pusher_${type}`);
const c = Object.fromEntries(
  `
  int32_t pusher_abi_check(uint32_t program);
  int32_t pusher_result_name(int32_t result, _Out_ void **text);
  int32_t pusher_last_error(_Out_ const pusher_error **error);
  int32_t pusher_error_result(const pusher_error *error, _Out_ int32_t *result);
  int32_t pusher_error_text(const pusher_error *error, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_error_code(const pusher_error *error, _Out_ int32_t *code);
  int32_t pusher_error_status(const pusher_error *error, _Out_ int32_t *status);
  int32_t pusher_error_detail(const pusher_error *error, _Out_ void **text);
  int32_t pusher_error_channel(const pusher_error *error, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_error_message(const pusher_error *error, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_error_is_retryable(const pusher_error *error, _Out_ int32_t *retryable);
  int32_t pusher_error_is_auth(const pusher_error *error, _Out_ int32_t *auth);
  int32_t pusher_error_is_timeout(const pusher_error *error, _Out_ int32_t *timeout);
  int32_t pusher_config_new(_Out_ pusher_config **config);
  void pusher_config_free(pusher_config *config);
  int32_t pusher_config_set(pusher_config *config, const char *option, const char *value);
  int32_t pusher_config_add(pusher_config *config, const char *option, const char *name, const char *value);
  int32_t pusher_client_new(pusher_config *config, _Out_ pusher_client **client);
  void pusher_client_free(pusher_client *client);
  int32_t pusher_connect_background(pusher_client *client);
  int32_t pusher_wait_connected(pusher_client *client, int32_t timeout_ms);
  int32_t pusher_disconnect(pusher_client *client);
  int32_t pusher_reconnect_now(pusher_client *client);
  int32_t pusher_state(pusher_client *client, _Out_ int32_t *state);
  int32_t pusher_state_name(int32_t state, _Out_ void **text);
  int32_t pusher_socket_id(pusher_client *client, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_set_auth_header(pusher_client *client, const char *name, const char *value);
  int32_t pusher_set_auth_param(pusher_client *client, const char *name, const char *value);
  int32_t pusher_subscribe(pusher_client *client, const char *channel);
  int32_t pusher_subscribe_with_auth(pusher_client *client, const char *channel, const char *auth,
    const char *channel_data, const char *shared_secret);
  int32_t pusher_unsubscribe(pusher_client *client, const char *channel);
  int32_t pusher_unsubscribe_all(pusher_client *client);
  int32_t pusher_is_subscribed(pusher_client *client, const char *channel, _Out_ int32_t *subscribed);
  int32_t pusher_wait_subscribed(pusher_client *client, const char *channel, int32_t timeout_ms);
  int32_t pusher_channels(pusher_client *client, _Out_ pusher_list **list);
  int32_t pusher_members(pusher_client *client, const char *channel, _Out_ pusher_list **list);
  int32_t pusher_member(pusher_client *client, const char *channel, const char *id, _Out_ pusher_list **list);
  int32_t pusher_me(pusher_client *client, const char *channel, _Out_ pusher_list **list);
  int32_t pusher_subscription_count(pusher_client *client, const char *channel, _Out_ uint64_t *count);
  int32_t pusher_trigger(pusher_client *client, const char *channel, const char *event, const void *json,
    size_t length);
  int32_t pusher_trigger_text(pusher_client *client, const char *channel, const char *event, const void *text,
    size_t length);
  int32_t pusher_list_length(pusher_list *list, _Out_ size_t *length);
  int32_t pusher_list_id(pusher_list *list, size_t index, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_list_info(pusher_list *list, size_t index, _Out_ void **text, _Out_ size_t *length);
  void pusher_list_free(pusher_list *list);
  int32_t pusher_sign_in(pusher_client *client);
  int32_t pusher_sign_in_with_auth(pusher_client *client, const char *auth, const char *user_data);
  int32_t pusher_wait_signed_in(pusher_client *client, int32_t timeout_ms);
  int32_t pusher_user_id(pusher_client *client, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_next(pusher_client *client, int32_t timeout_ms, _Out_ pusher_notification **notification);
  int32_t pusher_length(pusher_client *client, _Out_ size_t *length);
  int32_t pusher_kind_name(int32_t kind, _Out_ void **text);
  int32_t pusher_notification_kind(const pusher_notification *notification, _Out_ int32_t *kind);
  int32_t pusher_notification_channel(const pusher_notification *notification, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_notification_name(const pusher_notification *notification, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_notification_data(const pusher_notification *notification, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_notification_user_id(const pusher_notification *notification, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_notification_user_info(const pusher_notification *notification, _Out_ void **text,
    _Out_ size_t *length);
  int32_t pusher_notification_users(const pusher_notification *notification, _Out_ pusher_list **list);
  int32_t pusher_notification_count(const pusher_notification *notification, _Out_ uint64_t *count);
  int32_t pusher_notification_reason(const pusher_notification *notification, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_notification_state(const pusher_notification *notification, _Out_ int32_t *state);
  int32_t pusher_notification_previous_state(const pusher_notification *notification, _Out_ int32_t *state);
  int32_t pusher_notification_attempt(const pusher_notification *notification, _Out_ uint32_t *attempt);
  int32_t pusher_notification_retry_in(const pusher_notification *notification, _Out_ uint64_t *milliseconds);
  int32_t pusher_notification_resubscribed(const pusher_notification *notification, _Out_ int32_t *resubscribed);
  int32_t pusher_notification_gap(const pusher_notification *notification, _Out_ uint64_t *milliseconds);
  int32_t pusher_notification_error(const pusher_notification *notification, _Out_ const pusher_error **error);
  void pusher_notification_free(pusher_notification *notification);
  int32_t pusher_stats_new(pusher_client *client, _Out_ pusher_stats **stats);
  void pusher_stats_free(pusher_stats *stats);
  int32_t pusher_stats_get(pusher_stats *stats, const char *counter, _Out_ uint64_t *value);
  `
    .split(";")
    .slice(0, -1)
    .map((prototype) => [prototype.match(/pusher_\w+(?=\()/)[0], library.func(prototype.trim())]),
);

// The same on a thread of the pool, as promises.
const waits = ["pusher_wait_connected", "pusher_wait_subscribed", "pusher_wait_signed_in", "pusher_next"];
const waiting = Object.fromEntries(
  [...waits, "pusher_client_free"].map((name) => [name, promisify(c[name].async)]),
);

check(c.pusher_abi_check(ABI_VERSION));
