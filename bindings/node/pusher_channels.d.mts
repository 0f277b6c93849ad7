// The types of pusher_channels.mjs, whose comments describe the methods. They need TypeScript 5.2 and @types/node.

/// <reference types="node" />

// The options that `pusher_config_set` and `pusher_config_add` in pusher_channels.h list. Times are in milliseconds.
export interface ClientOptions {
  key?: string;
  cluster?: string;
  host?: string;
  url?: string;
  cluster_domain?: string;
  port?: number | string;
  tls?: boolean;
  path_prefix?: string;
  origin?: string;
  metadata?: boolean;
  proxy?: string;
  proxy_from_env?: boolean;
  root_certificate_pem?: string;
  tls_server_name?: string;
  connect_timeout_ms?: number;
  activity_timeout_ms?: number;
  activity_timeout_override_ms?: number;
  unavailable_timeout_ms?: number;
  pong_timeout_ms?: number;
  subscription_timeout_ms?: number;
  auth_timeout_ms?: number;
  reconnect?: boolean;
  reconnect_max_attempts?: number;
  reconnect_min_delay_ms?: number;
  reconnect_max_delay_ms?: number;
  auth_endpoint?: string;
  user_auth_endpoint?: string;
  auth_json?: boolean;
  allow_insecure_auth?: boolean;
  secret?: string;
  user_data?: string;
  encryption_master_key?: string;
  queue_capacity?: number;
  overflow?: "block" | "drop_oldest" | "drop_newest" | "keep_latest";
  max_message_size?: number;
  max_presence_members?: number;
  max_presence_bytes?: number;
  client_event_limit?: number;
  client_event_size?: number;
  client_event_patience_ms?: number;
  pull?: boolean;
  manual_dispatch?: boolean;
  log_events?: boolean;
  headers?: Record<string, string>;
  auth_headers?: Record<string, string>;
  auth_params?: Record<string, string>;
  client_name?: readonly [name: string, version: string];
  client_identity_pem?: readonly [certificate: string, key: string];
}

export interface AbortOptions {
  signal?: AbortSignal | undefined;
}

export interface WaitOptions extends AbortOptions {
  // In milliseconds. Without a timeout, the wait has no end. With 0, it returns at once.
  timeout?: number | undefined;
}

export type State =
  | "disconnected"
  | "connecting"
  | "connected"
  | "unavailable"
  | "reconnecting"
  | "disconnecting"
  | "failed";

// `text` is a line for a person, without the data of events. `String` returns it.
export interface Line {
  text: string;
}

export interface EventNotification extends Line {
  kind: "event";
  channel?: string;
  name: string;
  data: string;
  userId?: string;
}

export interface ConnectionStateChange extends Line {
  kind: "connection_state_change";
  state: State;
  previousState: State;
  attempt: number;
  retryIn?: number;
  error?: PusherError;
}

export interface SubscriptionSucceeded extends Line {
  kind: "subscription_succeeded";
  channel: string;
  resubscribed: boolean;
  gap?: number;
}

export interface SubscriptionError extends Line {
  kind: "subscription_error";
  channel?: string;
  error: PusherError;
}

export interface SubscriptionCount extends Line {
  kind: "subscription_count";
  channel: string;
  count: number;
}

export interface CacheMiss extends Line {
  kind: "cache_miss";
  channel: string;
}

export interface MemberChange<K extends "member_added" | "member_removed"> extends Line {
  kind: K;
  channel: string;
  userId: string;
  userInfo: unknown;
}

export interface DecryptionFailure extends Line {
  kind: "decryption_failure";
  channel: string;
  name: string;
  reason: string;
}

export interface SignedIn extends Line {
  kind: "signed_in";
  userId: string;
}

export interface Watchlist extends Line {
  kind: "watchlist";
  name: string;
  users: string[];
}

export interface ClientError extends Line {
  kind: "error";
  error: PusherError;
  count?: number;
}

export interface Lagged extends Line {
  kind: "lagged";
  count: number;
}

export type Notification =
  | EventNotification
  | ConnectionStateChange
  | SubscriptionSucceeded
  | SubscriptionError
  | SubscriptionCount
  | CacheMiss
  | MemberChange<"member_added">
  | MemberChange<"member_removed">
  | DecryptionFailure
  | SignedIn
  | Watchlist
  | ClientError
  | Lagged;

export type Kind = Notification["kind"];

export interface Member {
  id: string;
  info: unknown;
}

// The answer of a backend to a request for a channel.
export interface ChannelAnswer {
  auth: string;
  channel_data?: string | null;
  shared_secret?: string | null;
}

// The answer of a backend to a request for a user.
export interface UserAnswer {
  auth: string;
  user_data: string;
}

// For backends: these return the JSON with which an auth endpoint answers.
export function signChannel(
  key: string,
  secret: string,
  socketId: string,
  channel: string,
  channelData?: string | { user_id: string; user_info?: unknown } | null,
  sharedSecret?: string | null,
): string;
export function signUser(
  key: string,
  secret: string,
  socketId: string,
  userData: string | { id: string; user_info?: unknown; watchlist?: readonly string[] },
): string;

export interface Binding {
  unbind(): void;
  [Symbol.dispose](): void;
}

export type Counter =
  | "attempts"
  | "reconnect_attempts"
  | "connections"
  | "last_close_code"
  | "bytes_received"
  | "bytes_sent"
  | "messages"
  | "messages_sent"
  | "events"
  | "ignored"
  | "bad_messages"
  | "ping_round_trip_us"
  | "auth_retries"
  | "queue_depth"
  | "dropped"
  | "superseded";

export class Client implements AsyncIterable<Notification> {
  constructor(options: ClientOptions);

  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;

  connect(timeout?: number, options?: AbortOptions): Promise<void>;
  connect(options: WaitOptions): Promise<void>;
  connectBackground(): void;
  waitConnected(timeout?: number, options?: AbortOptions): Promise<void>;
  waitConnected(options: WaitOptions): Promise<void>;
  disconnect(): Promise<void>;
  reconnectNow(): void;
  get state(): State;
  get socketId(): string | undefined;

  setAuthHeader(name: string, value: string): void;
  setAuthParam(name: string, value: string): void;

  subscribe(channel: string): void;
  subscribeWithAuth(channel: string, answer: ChannelAnswer | string): void;
  unsubscribe(channel: string): void;
  unsubscribeAll(): void;
  isSubscribed(channel: string): boolean;
  waitSubscribed(channel: string, timeout?: number, options?: AbortOptions): Promise<void>;
  waitSubscribed(channel: string, options: WaitOptions): Promise<void>;
  waitAllSubscribed(timeout?: number, options?: AbortOptions): Promise<void>;
  waitAllSubscribed(options: WaitOptions): Promise<void>;

  get channels(): string[];
  members(channel: string): Member[];
  member(channel: string, id: string): Member | undefined;
  me(channel: string): Member | undefined;
  subscriptionCount(channel: string): number | undefined;

  trigger(channel: string, event: string, data: unknown): void;
  triggerText(channel: string, event: string, data: string): void;

  signIn(): void;
  signInWithAuth(answer: UserAnswer | string): void;
  waitSignedIn(timeout?: number, options?: AbortOptions): Promise<void>;
  waitSignedIn(options: WaitOptions): Promise<void>;
  get userId(): string | undefined;

  statistic(counter: Counter): number | undefined;

  next(timeout?: number, options?: AbortOptions): Promise<Notification | undefined | null>;
  next(options: WaitOptions): Promise<Notification | undefined | null>;
  get length(): number;
  notifications(options?: AbortOptions): AsyncGenerator<Notification, void, undefined>;
  [Symbol.asyncIterator](): AsyncGenerator<Notification, void, undefined>;

  bind(channel: string | null, event: string | null, callback: (event: EventNotification) => void): Binding;
  on<K extends Kind>(
    kind: K,
    channel: string | null,
    callback: (notification: Extract<Notification, { kind: K }>) => void,
  ): Binding;
  unbind(channel?: string | null, event?: string | null, callback?: (event: EventNotification) => void): void;
}

export class PusherError extends Error {
  private constructor();

  // The number of the result, and its name: "PUSHER_ERR_TCP".
  readonly result: number;
  readonly code: string;
  readonly closeCode?: number;
  readonly status?: number;
  readonly detail?: string;
  readonly channel?: string;
  readonly serverMessage?: string;
  readonly isRetryable?: boolean;
  readonly isAuth?: boolean;
  readonly isTimeout?: boolean;
}
