// Pusher Channels for Node: a binding of the C library `pusher_channels` by koffi. It polls.
//
//     import { Client } from "pusher-channels-koffi";
//
//     const client = new Client({ key: "app-key", cluster: "eu" });
//     await client.connect();
//     client.subscribe("news");
//     for await (const notification of client) {
//       if (notification.kind === "event") console.log(notification.channel, notification.name, notification.data);
//     }
//
// Or by callbacks: client.bind("news", "published", ({ data }) => console.log(data)). pusher_channels.d.mts has the
// types.
//
// The shared library is loaded from the path in PUSHER_CHANNELS_LIBRARY, or else from the folder of this file, or else
// from the folders of the system.
//
// A notification that waits is taken at once, on the thread of the event loop. When none waits, a thread of Node's pool
// waits for the next one, for a quarter of a second at a time. So an event arrives without delay, and the event loop is
// never blocked. But each client that is iterated over uses one thread of the pool, and each client with callbacks
// another one. The pool has four threads unless UV_THREADPOOL_SIZE is set. JavaScript runs only on the thread of the
// event loop.
//
// All times are in milliseconds. Every wait takes a timeout and an AbortSignal: next(500), next({ signal }),
// next({ timeout: 500, signal }), next(500, { signal }). Without a timeout, a wait has no end. With a timeout of 0, it
// returns at once. A wait that is aborted rejects with the reason of the signal at once, and loses no notification.

import { existsSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect, promisify } from "node:util";

import koffi from "koffi";

const ABI_VERSION = 0x00010002;

// The longest wait inside one call of the library. Node waits for the threads of its pool before it exits.
const SLICE_MS = 250;

// The number of notifications in a row after which timers and sockets of the event loop have their turn.
const TURN = 256;

const Result = { OK: 0, NOTHING: 1, CLOSED: 2, ERR_HANDLE: 12, ERR_WAIT_TIMEOUT: 136 };

export class Client {
  #handle;
  #queue;
  #bindings = new Bindings(() => this.#handle);

  // Options have the names that `pusher_config_set` in pusher_channels.h lists: key, cluster, host, port, tls, ...
  // `headers`, `auth_headers` and `auth_params` are objects, `client_name` and `client_identity_pem` arrays of two
  // strings.
  constructor(options) {
    const config = made(c.pusher_config_new);
    try {
      for (const [name, value] of Object.entries(options)) configure(config, name, value);
      this.#handle = made(c.pusher_client_new, config);
      this.#queue = new Queue(this.#handle, "pusher_next");
    } finally {
      c.pusher_config_free(config);
    }
  }

  // Disconnects and ends the client. Iterations over the client end.
  async close() {
    await waiting.pusher_client_free(this.#handle);
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }

  // Resolves when the client is connected, and keeps trying until then. Rejects if the server refuses for good, or when
  // the time is over. A notification has the reason why an attempt has failed. After an abort the client keeps trying
  // until `disconnect` is called.
  async connect(timeout, options) {
    waitOf(timeout, options).signal?.throwIfAborted();
    this.connectBackground();
    await this.waitConnected(timeout, options);
  }

  // Begins to connect, and returns at once. The client keeps trying.
  connectBackground() {
    check(c.pusher_connect_background(this.#handle));
  }

  async waitConnected(timeout, options) {
    await this.#wait("pusher_wait_connected", waitOf(timeout, options));
  }

  // Resolves after 250 ms at most.
  async disconnect() {
    const result = await waiting.pusher_disconnect(this.#handle);
    // The last error belongs to the thread that waited. The call fails again on this thread, with the same error.
    if (result !== Result.OK) check(c.pusher_disconnect(this.#handle));
  }

  // Skips the delay before the next attempt. While connected, checks whether the connection is alive.
  reconnectNow() {
    check(c.pusher_reconnect_now(this.#handle));
  }

  get state() {
    return optional(c.pusher_state, this.#handle, stateName);
  }

  // `undefined` while the client is not connected.
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

  // Subscribes with a permission that was made for `socketId`: the answer of the backend, as an object or as its JSON
  // text. It is valid for this connection only.
  subscribeWithAuth(channel, answer) {
    if (typeof answer === "string") {
      const json = Buffer.from(answer);
      check(c.pusher_subscribe_with_auth_json(this.#handle, string(channel), json, json.length));
      return;
    }
    const { auth, channel_data = null, shared_secret = null } = answer;
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

  // Resolves when the server has confirmed the subscription, or rejects with the error that ended it.
  async waitSubscribed(channel, timeout, options) {
    await this.#wait("pusher_wait_subscribed", waitOf(timeout, options), string(channel));
  }

  // Resolves when the subscriptions of all channels are confirmed, or rejects with the error of the first failed
  // channel.
  async waitAllSubscribed(timeout, options) {
    await this.#wait("pusher_wait_all_subscribed", waitOf(timeout, options));
  }

  get channels() {
    return list(c.pusher_channels, this.#handle).map(({ id }) => id);
  }

  // The members of a presence channel, each with its `id` and its parsed `info`.
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

  // Sends an event, whose name begins with "client-", to the other subscribers. `data` is any value that JSON has.
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

  // Signs in with the answer of the backend for `socketId`, as an object or as its JSON text. It is valid for this
  // connection only.
  signInWithAuth(answer) {
    if (typeof answer === "string") {
      const json = Buffer.from(answer);
      check(c.pusher_sign_in_with_auth_json(this.#handle, json, json.length));
    } else {
      check(c.pusher_sign_in_with_auth(this.#handle, string(answer.auth), string(answer.user_data)));
    }
  }

  async waitSignedIn(timeout, options) {
    await this.#wait("pusher_wait_signed_in", waitOf(timeout, options));
  }

  // The id of the user that is signed in, or `undefined`.
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

  // Resolves with the next notification, with `undefined` if none comes in time, or with `null` if the client is
  // closed.
  async next(timeout, options) {
    return this.#queue.next(waitOf(timeout, options));
  }

  // The number of notifications that wait.
  get length() {
    return number(c.pusher_length, this.#handle) + this.#queue.kept;
  }

  // Iterates over all notifications, and ends when the client is closed.
  async *notifications(options) {
    const wait = waitOf(undefined, options);
    for (;;) {
      const next = await this.#queue.next(wait);
      if (next === null) return;
      yield next;
    }
  }

  [Symbol.asyncIterator]() {
    return this.notifications();
  }

  // Calls back for the events of this name on this channel, from now on. `null` stands for all names, and for all
  // channels. If a callback throws, Node treats the error as uncaught, and the other callbacks and the client go on. A
  // program that uses only callbacks sets the option `pull` to false.
  bind(channel, event, callback) {
    const [of, name] = [nullable(channel), nullable(event)];
    const isWanted = (it) => it.kind === "event" && (of ?? it.channel) === it.channel && (name ?? it.name) === it.name;
    return this.#bindings.add(isWanted, { channel: of, event: name, callback: callable(callback) });
  }

  // Calls back for every notification of a kind on one channel. `null` stands for all channels.
  on(kind, channel, callback) {
    const [wanted, of] = [kindName(kind), nullable(channel)];
    const isWanted = (it) => it.kind === wanted && (of ?? it.channel) === it.channel;
    return this.#bindings.add(isWanted, { channel: of, kind: wanted, callback: callable(callback) });
  }

  // Ends the callbacks of `bind` for this channel, this event and this function. An omitted argument matches all.
  unbind(channel, event, callback) {
    this.#bindings.end({ channel, event, callback });
  }

  [inspect.custom]() {
    const state = optional((handle, out) => orNothing(c.pusher_state(handle, out)), this.#handle, stateName);
    return state === undefined ? "Client(closed)" : `Client(${state}, ${this.channels.length} channels)`;
  }

  async #wait(name, { timeout, signal }, ...parameters) {
    signal?.throwIfAborted();
    for (const slice of slices(timeout)) {
      const result = await raced(waiting[name](this.#handle, ...parameters, slice), signal);
      if (result !== Result.ERR_WAIT_TIMEOUT) break;
    }
    // The last error belongs to the thread that waited. The call fails again on this thread, with the same error.
    try {
      check(c[name](this.#handle, ...parameters, 0));
    } catch (error) {
      // The text of the library names the time of this last call.
      if (error.result === Result.ERR_WAIT_TIMEOUT) error.message = error.message.replace(/ within .*/, ` within ${timeout}ms`);
      throw error;
    }
  }
}

// A queue of the library. One thread of the pool waits for it, also if several calls wait. If the call is aborted in
// the meantime, the notification of the thread is kept for the next call.
class Queue {
  #handle;
  #take;
  #slice = null;
  #kept = [];
  #inARow = 0;

  constructor(handle, take) {
    this.#handle = handle;
    this.#take = take;
  }

  get kept() {
    return this.#kept.length;
  }

  async next({ timeout, signal }) {
    signal?.throwIfAborted();
    this.#inARow += 1;
    if (this.#inARow % TURN === 0) await raced(nextTurn(), signal);
    const end = performance.now() + timeout;
    for (;;) {
      const result = this.#look();
      if (result !== undefined) return result;
      const left = end - performance.now();
      if (!(left > 0)) return undefined;
      this.#inARow = 0;
      this.#slice ??= this.#waitForOne().finally(() => (this.#slice = null));
      await raced(this.#slice, signal, left);
    }
  }

  // Returns `undefined` if nothing waits. While a thread waits, only that thread takes notifications.
  #look() {
    if (this.#kept.length > 0) return this.#kept.shift();
    if (this.#slice) return undefined;
    const out = [null];
    return taken(c[this.#take](this.#handle, 0, out), out);
  }

  async #waitForOne() {
    const out = [null];
    const result = taken(await waiting[this.#take](this.#handle, SLICE_MS, out), out);
    // The end of the queue is not kept, because every later look finds it again.
    if (result) this.#kept.push(result);
  }
}

// Converts the result of a function that takes a notification: `null` is the end of the queue, `undefined` is no
// notification.
function taken(result, out) {
  if (result === Result.NOTHING) return undefined;
  if (result === Result.CLOSED || result === Result.ERR_HANDLE) return null;
  check(result);
  return notification(out[0]);
}

// The callbacks of a client. They have their own queue, so that an iteration over the client misses nothing.
class Bindings {
  #client;
  #all = new Set();
  #isRunning = false;

  constructor(client) {
    this.#client = client;
  }

  add(isWanted, { callback, ...names }) {
    const binding = { isWanted, callback, ...names };
    if (!this.#isRunning) {
      const receiver = made(c.pusher_receiver_new, this.#client(), null);
      this.#isRunning = true;
      this.#all.add(binding);
      this.#run(receiver);
    } else {
      this.#all.add(binding);
    }
    const unbind = () => void this.#all.delete(binding);
    return { unbind, [Symbol.dispose]: unbind };
  }

  end(wanted) {
    const isWanted = (binding) =>
      binding.kind === undefined &&
      Object.entries(wanted).every(([name, value]) => value === undefined || binding[name] === value);
    for (const binding of [...this.#all].filter(isWanted)) this.#all.delete(binding);
  }

  async #run(receiver) {
    const queue = new Queue(receiver, "pusher_receiver_next");
    try {
      while (this.#all.size > 0) {
        const next = await queue.next({ timeout: SLICE_MS });
        if (next === null) break;
        if (next) this.#call(next);
      }
    } finally {
      this.#isRunning = false;
      c.pusher_receiver_free(receiver);
    }
  }

  #call(notification) {
    for (const binding of [...this.#all]) {
      if (!this.#all.has(binding) || !binding.isWanted(notification)) continue;
      try {
        binding.callback(notification);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

// For backends: returns the JSON with which an auth endpoint answers for a channel, signed with the key and the secret
// of the app for the connection with this socket id. `channelData` is for presence channels: an object with `user_id`,
// and perhaps `user_info`, or the JSON of such an object. `sharedSecret` is for encrypted channels, in base64. First
// check whether the user may subscribe.
export function signChannel(key, secret, socketId, channel, channelData, sharedSecret) {
  const app = [key, secret, socketId, channel].map(string);
  const data = channelData === undefined || channelData === null ? null : jsonOf(channelData);
  return text(c.pusher_sign_channel, ...app, data, nullable(sharedSecret));
}

// Does the same for a sign-in. `userData` is an object with `id`, and perhaps `user_info` and `watchlist`, or the JSON
// of such an object.
export function signUser(key, secret, socketId, userData) {
  return text(c.pusher_sign_user, ...[key, secret, socketId].map(string), jsonOf(userData));
}

function jsonOf(data) {
  return string(data !== null && typeof data === "object" ? JSON.stringify(data) : data);
}

// An error of the library: `result` and its name `code`. Some errors have the `closeCode` of the server, an HTTP
// `status`, a word as `detail`, the name of the `channel`, or, as `serverMessage`, the text of the server or of the
// auth endpoint.
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

// ---- Values from C -------------------------------------------------------------------------------------------------

// Copies all fields, and frees the notification.
function notification(handle) {
  try {
    const copy = { kind: word(c.pusher_kind_name, number(c.pusher_notification_kind, handle)) ?? "unknown" };
    for (const [field, read] of Object.entries(FIELDS)) {
      const value = read(handle);
      if (value !== undefined) copy[field] = value;
    }
    return Object.defineProperty(copy, "toString", { value: lineOf });
  } finally {
    c.pusher_notification_free(handle);
  }
}

// Returns a line for a person, such as "news: subscribed", without the data of events. The wording may change.
function lineOf() {
  return this.text;
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
  text: (it) => text(c.pusher_notification_text, it),
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

// Returns the converted value that a function writes to its last parameter, or `undefined` after PUSHER_NOTHING.
function optional(read, ...parameters) {
  const convert = parameters.pop();
  const out = [null];
  return check(read(...parameters, out)) === Result.OK ? convert(out[0]) : undefined;
}

function number(read, ...parameters) {
  return optional(read, ...parameters, Number);
}

// Reads a text by its length, because text of a peer may contain a NUL.
function text(read, ...parameters) {
  const [address, length] = [[null], [0]];
  if (check(read(...parameters, address, length)) !== Result.OK) return undefined;
  return koffi.decode.string(address[0], Number(length[0]));
}

// Reads a static text, which ends with a NUL.
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

// Treats a closed client as one that has nothing.
function orNothing(result) {
  return result === Result.ERR_HANDLE ? Result.NOTHING : result;
}

// Throws if the result is an error, with the text of the last error of this thread.
function check(result) {
  if (result <= Result.CLOSED) return result;
  throw new PusherError(result, optional(c.pusher_last_error, (error) => error));
}

// ---- Values for C --------------------------------------------------------------------------------------------------

const PAIRS = {
  headers: "header",
  auth_headers: "auth_header",
  auth_params: "auth_param",
  client_name: "client_name",
  client_identity_pem: "client_identity_pem",
};

function configure(config, option, value) {
  try {
    set(config, option, value);
  } catch (error) {
    // Some options have other names in Node than in C.
    if (error.code === "PUSHER_ERR_OPTION") error.message = namedForNode(error.message);
    throw error;
  }
}

function namedForNode(message) {
  for (const [here, inC] of Object.entries(PAIRS)) {
    message = message.replace(`${JSON.stringify(inC)}, which pusher_config_add sets`, JSON.stringify(here));
    message = message.replace(
      `${JSON.stringify(inC)} here; pusher_config_add sets it`,
      `${JSON.stringify(inC)} here; did you mean ${JSON.stringify(here)}?`,
    );
  }
  return message;
}

function set(config, option, value) {
  if (value === undefined) return;
  if (Object.hasOwn(PAIRS, option)) {
    for (const [name, one] of Array.isArray(value) ? [value] : Object.entries(value)) {
      check(c.pusher_config_add(config, PAIRS[option], string(name), string(one)));
    }
  } else {
    check(c.pusher_config_set(config, string(option), string(String(value))));
  }
}

// Checks a text. A NUL would end it too early, so it is refused.
function string(value) {
  if (typeof value !== "string") throw new TypeError(`a string is needed, not ${typeof value}`);
  if (value.includes("\0")) throw new TypeError("the text contains a NUL");
  return value;
}

function nullable(value) {
  return value === null || value === undefined ? null : string(value);
}

function kindName(kind) {
  if (KINDS.includes(string(kind))) return kind;
  throw new TypeError(`there is no such kind of notifications; there are ${KINDS.join(", ")}`);
}

function callable(value) {
  if (typeof value === "function") return value;
  throw new TypeError(`the callback, which comes last, must be a function, not ${value === null ? "null" : typeof value}`);
}

// Returns the timeout and the AbortSignal of a wait from its arguments, which have several forms.
function waitOf(first, options) {
  const { timeout = Infinity, signal } = first !== null && typeof first === "object" ? first : { timeout: first, ...options };
  if (typeof timeout !== "number") throw new TypeError(`a timeout is a number of milliseconds, not ${typeof timeout}`);
  if (!(timeout >= 0)) throw new RangeError(`a timeout is 0 or more, or Infinity, not ${timeout}`);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("the signal is no AbortSignal");
  return { timeout, signal };
}

// Settles with the promise, rejects with the reason of the signal, or resolves when the time is over.
function raced(promise, signal, timeout = Infinity) {
  return new Promise((resolve, reject) => {
    const abort = () => settle(reject, signal.reason);
    const timer = timeout < SLICE_MS ? setTimeout(() => settle(resolve), Math.ceil(timeout)) : undefined;
    const settle = (how, value) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      how(value);
    };
    signal?.addEventListener("abort", abort);
    promise.then(
      (value) => settle(resolve, value),
      (error) => settle(reject, error),
    );
  });
}

// Yields numbers of milliseconds to wait for, until the time is over.
function* slices(timeout) {
  const end = performance.now() + timeout;
  for (let left = timeout; left > 0; left = end - performance.now()) yield Math.ceil(Math.min(left, SLICE_MS));
}

// ---- The functions -------------------------------------------------------------------------------------------------

function load() {
  const file = { win32: "pusher_channels.dll", darwin: "libpusher_channels.dylib" }[process.platform];
  const name = file ?? "libpusher_channels.so";
  const beside = fileURLToPath(new URL(name, import.meta.url));
  const path = process.env.PUSHER_CHANNELS_LIBRARY ?? (existsSync(beside) ? beside : name);
  try {
    return koffi.load(path);
  } catch (cause) {
    throw new Error(
      `the library of pusher-channels cannot be loaded from ${path}: set PUSHER_CHANNELS_LIBRARY to the path of ${name}, ` +
        `or put it beside ${fileURLToPath(import.meta.url)}. In the repository of pusher-channels, ` +
        `\`cargo rustc --release --features capi --crate-type cdylib\` builds it as target/release/${name}. (${cause.message})`,
      { cause },
    );
  }
}

const library = load();

// The prototypes of the header. Functions return text as an address here, because text may contain a NUL.
for (const type of ["config", "client", "receiver_options", "receiver", "notification", "error", "list", "stats"]) koffi.opaque(`pusher_${type}`);

// An older library lacks some of the functions below.
const abi = library.func("uint32_t pusher_abi_version(void)")();
if (abi >> 16 !== ABI_VERSION >> 16 || abi < ABI_VERSION) {
  const shown = (version) => `${version >> 16}.${version & 0xffff}`;
  throw new Error(`the library has version ${shown(abi)} of the interface, and ${shown(ABI_VERSION)} or a later minor one is needed`);
}

const c = Object.fromEntries(
  `
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
  int32_t pusher_subscribe_with_auth_json(pusher_client *client, const char *channel, const void *json, size_t length);
  int32_t pusher_unsubscribe(pusher_client *client, const char *channel);
  int32_t pusher_unsubscribe_all(pusher_client *client);
  int32_t pusher_is_subscribed(pusher_client *client, const char *channel, _Out_ int32_t *subscribed);
  int32_t pusher_wait_subscribed(pusher_client *client, const char *channel, int32_t timeout_ms);
  int32_t pusher_wait_all_subscribed(pusher_client *client, int32_t timeout_ms);
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
  int32_t pusher_sign_in_with_auth_json(pusher_client *client, const void *json, size_t length);
  int32_t pusher_wait_signed_in(pusher_client *client, int32_t timeout_ms);
  int32_t pusher_sign_channel(const char *key, const char *secret, const char *socket_id, const char *channel,
    const char *channel_data, const char *shared_secret, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_sign_user(const char *key, const char *secret, const char *socket_id, const char *user_data,
    _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_user_id(pusher_client *client, _Out_ void **text, _Out_ size_t *length);
  int32_t pusher_next(pusher_client *client, int32_t timeout_ms, _Out_ pusher_notification **notification);
  int32_t pusher_length(pusher_client *client, _Out_ size_t *length);
  int32_t pusher_receiver_new(pusher_client *client, pusher_receiver_options *options, _Out_ pusher_receiver **receiver);
  void pusher_receiver_free(pusher_receiver *receiver);
  int32_t pusher_receiver_next(pusher_receiver *receiver, int32_t timeout_ms, _Out_ pusher_notification **notification);
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
  int32_t pusher_notification_text(const pusher_notification *notification, _Out_ void **text, _Out_ size_t *length);
  void pusher_notification_free(pusher_notification *notification);
  int32_t pusher_stats_new(pusher_client *client, _Out_ pusher_stats **stats);
  void pusher_stats_free(pusher_stats *stats);
  int32_t pusher_stats_get(pusher_stats *stats, const char *counter, _Out_ uint64_t *value);
  `
    .split(";")
    .slice(0, -1)
    .map((prototype) => [prototype.match(/pusher_\w+(?=\()/)[0], library.func(prototype.trim())]),
);

// The names of the kinds of notifications, whose numbers have no gap.
const KINDS = [];
for (let kind; (kind = word(c.pusher_kind_name, KINDS.length + 1)); ) KINDS.push(kind);

// The functions that wait. They run on a thread of the pool, and return promises.
const waiting = Object.fromEntries(
  [
    "pusher_wait_connected",
    "pusher_wait_subscribed",
    "pusher_wait_all_subscribed",
    "pusher_wait_signed_in",
    "pusher_next",
    "pusher_receiver_next",
    "pusher_disconnect",
    "pusher_client_free",
  ].map((name) => [name, promisify(c[name].async)]),
);
