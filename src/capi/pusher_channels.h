/*
 * pusher_channels.h - the C interface of pusher-channels, a blocking client for Pusher Channels and every server that
 * speaks its protocol: Laravel Reverb, soketi, Sockudo.
 *
 * The smallest program, without its error handling (examples/c/smallest.c has it):
 *
 *     pusher_config *config;
 *     pusher_client *client;
 *     pusher_notification *notification;
 *
 *     pusher_config_new(&config);
 *     pusher_config_set(config, "key", "app-key");
 *     pusher_config_set(config, "cluster", "eu");
 *     pusher_client_new(config, &client);
 *     pusher_config_free(config);
 *     pusher_connect(client);
 *     pusher_subscribe(client, "news");
 *     while (pusher_next(client, -1, &notification) == PUSHER_OK) {
 *         const char *data;
 *         if (pusher_notification_data(notification, &data, NULL) == PUSHER_OK) puts(data);
 *         pusher_notification_free(notification);
 *     }
 *     pusher_client_free(client);
 *
 *
 * HANDLES
 *
 * Everything that the library makes is an opaque handle, which `pusher_X_free` frees. The handles that a callback
 * borrows (pusher_pairs, pusher_text) end when the callback returns. Freeing NULL does nothing, and so does freeing a
 * handle again. Every other function returns PUSHER_ERR_HANDLE for a handle that was freed. A function that waits while
 * another thread frees the handle returns PUSHER_CLOSED, or the error that ends its wait. Handles are numbers in
 * disguise: a program must not read or write through them. The exceptions are `pusher_notification` and `pusher_error`,
 * which are plain memory, because one is made for every event: the program frees a notification, and an error ends with
 * the object that it was borrowed from. Using either of them afterwards is undefined, as with `free`.
 *
 *
 * RESULTS
 *
 * Functions return an int32_t: PUSHER_OK (0) or one of the PUSHER_... numbers below. The numbers are frozen: none is
 * ever changed or given another meaning. Later versions may have more of them, so treat an unknown number as an error
 * of an unknown kind. Errors are the numbers from 10 on; PUSHER_NOTHING and PUSHER_CLOSED are not errors. Other values
 * are written through the last parameters, and only when the result is PUSHER_OK. NULL is PUSHER_ERR_NULL for every
 * parameter that is not marked PUSHER_NULLABLE. Functions that free return nothing. pusher_abi_version and
 * pusher_version, which cannot fail, and pusher_last_error_text return their values directly.
 *
 * When a function returns an error, the thread that called it can read the error by pusher_last_error_text and
 * pusher_last_error. The error stays until the thread's next one; functions that succeed do not touch it.
 *
 * Nothing is ever printed. A panic inside of the library (a bug) becomes PUSHER_ERR_PANIC, or ends the process where
 * the library was built with `panic = "abort"`.
 *
 *
 * TEXT AND DATA
 *
 * All text is UTF-8; anything else is PUSHER_ERR_UTF8. Text that goes in is copied before the function returns. It ends
 * with a NUL. Data (JSON, text, bytes) has its length in bytes beside it, and needs no NUL at its end; with a length of
 * 0 the pointer may be NULL. Text that comes out is borrowed: it ends with a NUL, which its length does not count. A
 * peer may send text that contains a NUL itself, so only the length tells for certain where it ends. Each function says
 * how long the text stays. Booleans are 0 and 1, times are in milliseconds. For a function that waits, a negative time
 * means for ever, and 0 means that it does not wait.
 *
 *
 * RECEIVING
 *
 * By pull: pusher_next gives one notification after another, in the order in which the server sent them, across
 * channels and with the changes of the connection. It may wait, or return at once; pusher_descriptor gives a descriptor
 * to wait for it among others. A program can receive and authorise by pull alone; only a dialer, a decoder and a log
 * are always callbacks. The library calls no code of a program that registers no callback. A client has the queue of
 * pusher_next from its beginning. It holds "queue_capacity" notifications. When it is full, the oldest are dropped and
 * the loss is reported, unless the option "overflow" has another policy. A program that only uses callbacks turns the
 * queue off: pusher_config_set_bool(config, "pull", 0).
 *
 * By push: pusher_bind and pusher_on register callbacks. They run one at a time and in order, on a thread of the client;
 * or, with the option "manual_dispatch", inside pusher_dispatch, on the thread that calls it.
 *
 *
 * CALLBACKS
 *
 * Each callback has a `user_data`, which the library passes to it unchanged, and a destructor for the `user_data`, which
 * may be NULL. The destructor runs exactly once for each registration, on any thread: after the last run of a callback
 * that was unbound, or whose client or config is gone; or, if the registration fails, before the registering function
 * returns. A function that ends a callback may return while a run on another thread is about to begin. So free the
 * memory of a callback in its destructor, and nowhere else. A destructor should not wait.
 *
 * The library holds no lock while a callback runs, so a callback may call every function, pusher_client_free of its own
 * client included. Functions that would wait for their own thread (pusher_connect, pusher_wait_...) return
 * PUSHER_ERR_WOULD_DEADLOCK there. The library does not detect two such waits: an authorizer must not wait for the
 * subscription or the sign-in that it authorises, which would last until subscription_timeout_ms; and a log or wake
 * callback must not wait for a notification, which would last for ever. A callback returns to its caller: no C++
 * exception and no longjmp may leave it.
 *
 *
 * THREADS
 *
 * Every function may be called from every thread, at the same time and with the same handles. A pointer into a handle is
 * valid until that handle is freed, unless the function says otherwise. Several threads may read a notification at the
 * same time; one of them frees it after the others are done.
 *
 *
 * SIGNALS
 *
 * A signal does not end a wait: neither pusher_next(client, -1, ...) nor pusher_receiver_next, pusher_connect or a
 * pusher_wait_... function. The handler runs, and the wait goes on, with and without SA_RESTART. A handler must not
 * call any function of the library, because no function is async-signal-safe. There are three ways to end a wait by a
 * signal:
 *
 *  - The handler sets a flag, and the program waits in slices:
 *    while (!stop) if (pusher_next(client, 100, &notification) == PUSHER_OK) ...
 *  - The program waits by poll() on pusher_descriptor, and then calls pusher_next with a timeout of 0. A signal on the
 *    thread that polls ends poll() with EINTR. A signal that arrives just before poll() does not: where that matters,
 *    the handler writes to a pipe of the program's own, and poll() waits on both (the self-pipe trick).
 *  - The handler wakes another thread, by a pipe or sem_post, and that thread ends the wait. pusher_disconnect ends
 *    pusher_connect and the pusher_wait_... functions with PUSHER_ERR_DISCONNECTED. It does not end pusher_next: that
 *    returns the change of the state, and its next call waits again. pusher_client_free ends the same functions with
 *    PUSHER_ERR_DISCONNECTED. It ends a waiting pusher_next with the change of the state or, if the state does not
 *    change, with PUSHER_CLOSED. The next call of pusher_next returns PUSHER_ERR_HANDLE.
 *
 * The library changes neither handlers nor masks of signals. Its threads take over the mask of the thread that starts
 * them, which is the one that connects, and may run the program's handlers unless it blocks these signals meanwhile
 * (pthread_sigmask). On Windows there are no such signals.
 *
 *
 * FORK
 *
 * A client belongs to the process that made it. In a forked child every function with a handle of the parent's
 * returns PUSHER_ERR_FORKED (pusher_X_free does nothing) and touches nothing of the parent's. The child makes a
 * client of its own, with a config of its own, and sets a log callback of its own. A descriptor from before the fork
 * is the parent's. Notifications and errors are plain memory: the child has copies of those of the parent, which it
 * may read, and frees. The library detects a child of fork(), and not one of a bare clone() or vfork().
 *
 *
 * UNLOADING
 *
 * The library must not be unloaded (dlclose, FreeLibrary) while there is a client, or a callback that has not been
 * destroyed. Its threads end after pusher_client_free has returned, so the safe way is never to unload it.
 *
 *
 * VERSIONS
 *
 * PUSHER_ABI_VERSION is major * 65536 + minor. The minor number rises when there are more functions, constants,
 * options, kinds, fields or results; a program that was built with a header of the same major number and a lower or
 * equal minor number goes on to work. The major number rises when anything else changes. A program that loads the
 * library at run time begins with pusher_abi_check(PUSHER_ABI_VERSION).
 */
#ifndef PUSHER_CHANNELS_H
#define PUSHER_CHANNELS_H

#include <stddef.h>
#include <stdint.h>

/* Marks the pointers that may be NULL. */
#define PUSHER_NULLABLE

#ifdef __cplusplus
extern "C" {
#endif

enum { PUSHER_ABI_VERSION = 0x00010002 };

/* ---- Results --------------------------------------------------------------------------------------------------- */

enum {
    PUSHER_OK = 0,
    /* Nothing came in time, or there is no such thing: no socket id while disconnected, no sender of a public event. */
    PUSHER_NOTHING = 1,
    /* The client is gone and nothing waits. This is final. */
    PUSHER_CLOSED = 2,

    /* The call itself is wrong. */
    PUSHER_ERR_NULL = 10,        /* a pointer is NULL that must not be */
    PUSHER_ERR_UTF8 = 11,        /* a text is not UTF-8 */
    PUSHER_ERR_HANDLE = 12,      /* a handle was freed, or never was one of this type */
    PUSHER_ERR_OPTION = 13,      /* there is no option, counter or field of this name; the text suggests one */
    PUSHER_ERR_VALUE = 14,       /* a value is not one that the function or the option takes */
    PUSHER_ERR_ABI = 15,         /* the library is not the one that the program was built for */
    PUSHER_ERR_PANIC = 16,       /* a bug of the library; the client may go on */
    PUSHER_ERR_UNSUPPORTED = 17, /* not on this platform */
    PUSHER_ERR_IO = 18,          /* the operating system refused, for example another descriptor */
    PUSHER_ERR_LOGGER = 19,      /* the process has another logger already */
    PUSHER_ERR_TOO_MANY = 20,    /* more than a million handles at a time; 65,535 on 32 bits */
    PUSHER_ERR_NO_QUEUE = 21,    /* the option "pull" is off */

    /* Errors of the client, the network, or the server: the variants of the Rust library's `Error`. */
    PUSHER_ERR_CONFIG = 100,                  /* an option has a value that cannot work */
    PUSHER_ERR_CHANNEL_NAME = 101,            /* a channel name that the protocol does not allow */
    PUSHER_ERR_CONNECT_TIMEOUT = 102,         /* the option connect_timeout_ms */
    PUSHER_ERR_DNS = 103,                     /* the host name cannot be resolved */
    PUSHER_ERR_TCP = 104,                     /* no address of the host accepts a connection */
    PUSHER_ERR_PROXY = 105,                   /* the proxy gave no tunnel, or cannot be reached */
    PUSHER_ERR_DIALER = 106,                  /* the program's own dialer made no connection */
    PUSHER_ERR_TLS = 107,                     /* the TLS handshake failed */
    PUSHER_ERR_UPGRADE_STATUS = 108,          /* the server answered the upgrade with an HTTP status */
    PUSHER_ERR_UPGRADE = 109,                 /* the server's answer to the upgrade is not valid */
    PUSHER_ERR_UNEXPECTED_FIRST_MESSAGE = 110,/* the server began with something else than the protocol says */
    PUSHER_ERR_CONNECTION_CLOSED = 111,       /* the server ended the connection, with a code */
    PUSHER_ERR_CONNECTION_LOST = 112,         /* the connection died without a code */
    PUSHER_ERR_PONG_TIMEOUT = 113,            /* the server fell silent */
    PUSHER_ERR_WRITE_TIMEOUT = 114,           /* the server read nothing of the data sent to it */
    PUSHER_ERR_MESSAGE_TOO_LARGE = 115,       /* the option max_message_size */
    PUSHER_ERR_BAD_MESSAGE = 116,             /* a message could not be understood, and was skipped */
    PUSHER_ERR_SERVER = 117,                  /* the server reported an error, and the connection stays */
    PUSHER_ERR_SUBSCRIPTION_TIMEOUT = 118,    /* the option subscription_timeout_ms */
    PUSHER_ERR_SUBSCRIPTION_REFUSED = 119,    /* the server refused a subscription */
    PUSHER_ERR_AUTH_NETWORK = 120,            /* the auth endpoint cannot be reached */
    PUSHER_ERR_AUTH_TIMEOUT = 121,            /* the auth endpoint or the authorizer did not answer in time */
    PUSHER_ERR_AUTH_REFUSED = 122,            /* the auth endpoint or the authorizer refused */
    PUSHER_ERR_AUTH_MALFORMED = 123,          /* the answer of the auth endpoint or the authorizer is not valid */
    PUSHER_ERR_SIGN_IN_REFUSED = 124,         /* the server refused a sign-in */
    PUSHER_ERR_SIGN_IN_TIMEOUT = 125,         /* the server did not confirm a sign-in in time */
    PUSHER_ERR_NOT_SIGNED_IN = 126,           /* pusher_sign_in... was not called */
    PUSHER_ERR_CLIENT_EVENT_CHANNEL = 127,    /* client events are for private and presence channels */
    PUSHER_ERR_CLIENT_EVENT_NAME = 128,       /* the name of a client event begins with client- */
    PUSHER_ERR_CLIENT_EVENT_TOO_LARGE = 129,  /* the option client_event_size; or more than the server takes */
    PUSHER_ERR_CLIENT_EVENT_RATE = 130,       /* the options client_event_limit, .._patience_ms */
    PUSHER_ERR_CLIENT_EVENT_QUEUE_FULL = 131, /* more client events wait than the connection takes */
    PUSHER_ERR_ENCODE = 132,                  /* the data of a client event is not JSON */
    PUSHER_ERR_TOO_MANY_MEMBERS = 133,        /* the options max_presence_members and max_presence_bytes */
    PUSHER_ERR_NO_AUTHORIZER = 134,           /* the channel must be authorised, and no authorizer is set */
    PUSHER_ERR_NOT_SUBSCRIBED = 135,          /* the channel is not subscribed, or not yet */
    PUSHER_ERR_WAIT_TIMEOUT = 136,            /* a pusher_wait_... function ended because its time was over */
    PUSHER_ERR_DISCONNECTED = 137,            /* there is no connection, and none is being made */
    PUSHER_ERR_WOULD_DEADLOCK = 138,          /* a function that waits was called inside a callback */
    PUSHER_ERR_LAGGED = 139,                  /* notifications were dropped before callbacks could get them */
    PUSHER_ERR_HANDLER_PANICKED = 140,        /* of Rust programs; not returned here */
    PUSHER_ERR_DECODE = 141,                  /* of Rust programs; not returned here */
    PUSHER_ERR_FORKED = 142,                  /* the handle belongs to the parent process */
    PUSHER_ERR_THREAD = 143,                  /* the operating system did not start a thread */
    PUSHER_ERR_NOT_CONNECTED = 144,           /* the client is still connecting, or reconnecting: pusher_wait_connected */
    PUSHER_ERR_CLIENT_EVENT_REFUSED = 145     /* the server refused a client event after it was sent */
};

/* ---- Types ----------------------------------------------------------------------------------------------------- */

typedef struct pusher_config pusher_config;                     /* options, to make clients of */
typedef struct pusher_client pusher_client;
typedef struct pusher_receiver_options pusher_receiver_options;
typedef struct pusher_receiver pusher_receiver;                 /* a queue beside the client's own */
typedef struct pusher_notification pusher_notification;         /* an event, or another notification */
typedef struct pusher_error pusher_error;                       /* an error; always borrowed */
typedef struct pusher_binding pusher_binding;                   /* a registered callback */
typedef struct pusher_list pusher_list;                         /* names, users or members, as they were when made */
typedef struct pusher_stats pusher_stats;                       /* counters, as they were when made */
typedef struct pusher_auth_request pusher_auth_request;         /* a request for a permission, which the program gives */
typedef struct pusher_pairs pusher_pairs;                       /* headers or parameters that a callback gives */
typedef struct pusher_text pusher_text;                         /* a text that a callback gives */

typedef void (*pusher_destructor)(void *user_data);

/* ---- Versions and errors --------------------------------------------------------------------------------------- */

/* The PUSHER_ABI_VERSION of the library. */
uint32_t pusher_abi_version(void);

/* The version of the library, such as "0.1.0". Static. */
const char *pusher_version(void);

/* PUSHER_ERR_ABI unless a program that was built with this PUSHER_ABI_VERSION can use the library. */
int32_t pusher_abi_check(uint32_t program);

/* The name of a result, such as "PUSHER_ERR_NULL", PUSHER_NOTHING for a number without a name. Static. */
int32_t pusher_result_name(int32_t result, const char **text);

/*
 * Writes the text of this thread's last error, as snprintf does: up to `size` bytes, the NUL at the end included.
 * Returns the length that the whole text has without the NUL; 0 when there was no error.
 * With a `size` of 0, `buffer` may be NULL. Text that does not fit is cut at the end of a character.
 */
int32_t pusher_last_error_text(char *PUSHER_NULLABLE buffer, size_t size);

/* The last error of this thread; PUSHER_NOTHING when there was none. Valid until the next error of this thread. */
int32_t pusher_last_error(const pusher_error **error);

/* The PUSHER_ERR_... number. */
int32_t pusher_error_result(const pusher_error *error, int32_t *result);

/* The text of the error, from the layer to the cause. Valid as long as the error. */
int32_t pusher_error_text(const pusher_error *error, const char **text, size_t *PUSHER_NULLABLE length);

/*
 * The channel of the error, and the bare text of the server, the auth endpoint or the authorizer; PUSHER_NOTHING where
 * there is none. Valid as long as the error.
 */
int32_t pusher_error_channel(const pusher_error *error, const char **text, size_t *PUSHER_NULLABLE length);
int32_t pusher_error_message(const pusher_error *error, const char **text, size_t *PUSHER_NULLABLE length);

/* The code of the Pusher protocol (4000-4999) that the server gave, or PUSHER_NOTHING. */
int32_t pusher_error_code(const pusher_error *error, int32_t *code);

/* The HTTP status that the server, the proxy, the auth endpoint or the authorizer gave, or PUSHER_NOTHING. */
int32_t pusher_error_status(const pusher_error *error, int32_t *status);

/*
 * The detail of these errors:
 * - PUSHER_ERR_CONNECT_TIMEOUT: the phase, which is dns, tcp, proxy, tls, upgrade or established.
 * - PUSHER_ERR_TLS: the problem, which is unknown_issuer, self_signed, wrong_host, expired, not_yet_valid,
 *   not_valid_now, old_version, refused, not_tls, ended or other.
 * - PUSHER_ERR_PROXY: the problem, which is credentials, forbidden, unsupported, absent, unreachable, not_a_proxy, tls,
 *   ended or other.
 * - PUSHER_ERR_CONFIG: the option, as it is named here.
 *
 * Other errors give PUSHER_NOTHING.
 * Later versions may have more. Valid as long as the error.
 */
int32_t pusher_error_detail(const pusher_error *error, const char **text);

/* Whether the same call may succeed when it is made again, with nothing changed. */
int32_t pusher_error_is_retryable(const pusher_error *error, int32_t *retryable);

/* Whether the server, the auth endpoint, a proxy or the configuration denied permission. */
int32_t pusher_error_is_auth(const pusher_error *error, int32_t *auth);

/* Whether a deadline ran out. */
int32_t pusher_error_is_timeout(const pusher_error *error, int32_t *timeout);

/* ---- Log ------------------------------------------------------------------------------------------------------- */

enum {
    PUSHER_LOG_OFF = 0,
    PUSHER_LOG_ERROR = 1,
    PUSHER_LOG_WARN = 2,
    PUSHER_LOG_INFO = 3,
    PUSHER_LOG_DEBUG = 4,
    PUSHER_LOG_TRACE = 5
};

/* `target` is the part of the library that speaks. Both texts are valid until the callback returns. */
typedef void (*pusher_log_callback)(void *user_data, int32_t level, const char *target, const char *message);

/*
 * Sets the log callback of the process, which gets the records of the library up to this level. It replaces the
 * earlier one. NULL ends it, but does not wait for a run that is under way, or just about to begin, on another thread.
 * The callback runs on any thread that logs, and on several at once. It may call any function; records of those calls
 * are not logged. Credentials are never logged, and the data of events only with the option "log_events".
 */
int32_t pusher_log(int32_t level, pusher_log_callback PUSHER_NULLABLE callback, void *PUSHER_NULLABLE user_data,
                   pusher_destructor PUSHER_NULLABLE destroy);

/* ---- Configuration --------------------------------------------------------------------------------------------- */

/*
 * Options for clients. Every option has a default, except those that say where the server is: "key" with "cluster" or
 * "host", or "url".
 */
int32_t pusher_config_new(pusher_config **config);

/* Clients that were made of it are not affected. */
void pusher_config_free(pusher_config *PUSHER_NULLABLE config);

/*
 * Sets an option by its name. The last value counts. Every option can be set by this function: numbers as decimal
 * digits, booleans as "true" or "false", "1" or "0"; the other two functions take the value as a number.
 * PUSHER_ERR_OPTION if there is no option of this name, and PUSHER_ERR_VALUE if the value is of another type;
 * pusher_client_new checks whether the values work together. The text of the error names the values that the option
 * takes, or suggests the nearest option. It never quotes a value, because some are secrets. It quotes a name only if the
 * name looks like that of an option, and is no value that was set before.
 *
 * Where the server is:
 *   key                        text      the app's key
 *   cluster                    text      of the hosted service: eu, us2, ap1, ...
 *   host                       text      of a server of your own, a name or an address; an IPv6 address may have
 *                                        the interface that leads to it: fe80::1%eth0
 *   url                        text      in place of key, cluster, host, port, tls and path_prefix:
 *                                        ws://host:port/app/key; one with a query has no metadata. A user name
 *                                        and a password are sent by a header (pusher_config_add)
 *   cluster_domain             text      pusher.com, the domain of the cluster: wss://ws-{cluster}.{domain}; only
 *                                        with cluster
 *   port                       integer   443, or 80 without TLS
 *   tls                        boolean   true
 *   path_prefix                text      "", what stands before /app/{key}
 *   origin                     text      none, the Origin header
 *   metadata                   boolean   true: the URL carries ?protocol=7&client=...&version=...
 *                                        (pusher_config_add has client_name)
 *   proxy                      text      none; http://user:password@host:port, https://... for TLS to the proxy,
 *                                        or socks5://...
 *   proxy_from_env             boolean   false: whether pusher_client_new reads https_proxy, all_proxy,
 *                                        no_proxy, ...; not together with proxy
 *   root_certificate_pem       text      none, trusted beside the platform's; each value adds one or more
 *   tls_server_name            text      the host: the name to verify in the certificates of the server and of auth
 *                                        endpoints on the same host, if it is another one
 *                                        (pusher_config_add has client_identity_pem)
 * Time, from 1 ms to a year:
 *   connect_timeout_ms         integer   15000, for all of connecting
 *   activity_timeout_ms        integer   120000, silence before a ping; the server's own value if that is smaller
 *   activity_timeout_override_ms
 *                              integer   none: silence before a ping, whatever value the server has
 *   unavailable_timeout_ms     integer   10000, without a connection before the state is unavailable
 *   pong_timeout_ms            integer   30000, from a ping to any sign of life
 *   subscription_timeout_ms    integer   30000, for authorising and for the server's confirmation
 *   auth_timeout_ms            integer   10000, for each request to an endpoint; not for callbacks
 * Reconnecting:
 *   reconnect                  boolean   true
 *   reconnect_max_attempts     integer   0: for ever
 *   reconnect_min_delay_ms     integer   0
 *   reconnect_max_delay_ms     integer   30000
 * Authorising:
 *   auth_endpoint              text      none, the URL that authorises channels
 *   user_auth_endpoint         text      none, the URL that signs users in
 *   auth_json                  boolean   false: the endpoints get a form
 *   allow_insecure_auth        boolean   false: http:// to loopback only
 *   secret                     text      none, the app's secret: signs without an endpoint
 *   user_data                  text      none, with secret: {"id": "7", "user_info": {}, "watchlist": []}
 *   encryption_master_key      text      none, with secret the key of encrypted channels, in base64
 * Limits:
 *   queue_capacity             integer   16384 notifications; a queue is also full when it holds 16 MiB
 *   overflow                   text      the policy of every full queue: block, drop_oldest, drop_newest or
 *                                        keep_latest. Unset, it is block for the queue of the callbacks and
 *                                        drop_oldest for all others. With block, a full queue stops the whole
 *                                        client until the program takes from it: turn "pull" off if the program
 *                                        never calls pusher_next
 *   max_message_size           integer   1048576 bytes, 1 GiB at most
 *   max_presence_members       integer   100000 of a channel
 *   max_presence_bytes         integer   20971520 bytes of memory for the members of all channels, about 130 each
 *                                        beside their ids and infos
 *   client_event_limit         integer   10 a second, 0 for none: events over the limit wait for their turn
 *   client_event_size          integer   10240 bytes of data, 0 for any size
 *   client_event_patience_ms   integer   2000: a client event that would wait for longer is refused
 * Receiving:
 *   pull                       boolean   true: there is a queue for pusher_next
 *   manual_dispatch            boolean   false: callbacks run on a thread of the client's
 * Logging:
 *   log_events                 boolean   false: no data of an event is logged. With true, the client logs the events
 *                                        of the application that it receives, and the client events that it
 *                                        accepts for sending, with their data, as PUSHER_LOG_DEBUG
 */
int32_t pusher_config_set(pusher_config *config, const char *option, const char *value);
int32_t pusher_config_set_int(pusher_config *config, const char *option, int64_t value);
int32_t pusher_config_set_bool(pusher_config *config, const char *option, int32_t value);

/*
 * Adds to an option that is a list of pairs, or sets one that is a pair.
 *
 *   header                     of the upgrade request: a name and a value
 *   auth_header                of every request to the auth endpoints
 *   auth_param                 of every request to the auth endpoints, beside socket_id and channel_name
 *   client_name                how the client calls itself: a name and a version
 *   client_identity_pem        for servers and auth endpoints that want a client certificate: the certificate
 *                              and its private key, both as PEM text; the key in PKCS 8 without a password
 *                              (openssl pkcs8 -topk8 -nocrypt). pusher_connect checks them
 */
int32_t pusher_config_add(pusher_config *config, const char *option, const char *name, const char *value);

/*
 * The URL that clients of this config dial, for logs and tests. It contains the app's key, and the tokens that the
 * program has put into the option url. PUSHER_ERR_CONFIG if the options do not make an address. Valid until this
 * thread's next call of this function.
 */
int32_t pusher_config_dial_url(pusher_config *config, const char **text, size_t *PUSHER_NULLABLE length);

/*
 * Gets an auth request: for the permission to subscribe to one channel, or, for pusher_config_user_authenticator, for
 * the permission to sign a user in. The program responds by pusher_auth_request_grant, ..._grant_user, ..._grant_json or
 * ..._refuse: inside the callback or later, on any thread. Each of these functions frees the request if it returns
 * PUSHER_OK. If it returns an error (for a NULL, or a text that is not UTF-8), the request stays pending. Freeing a
 * pending request refuses it.
 *
 * The client waits for a response until subscription_timeout_ms have passed. A later response has no effect and is no
 * error; the request must be freed all the same. Up to 8 callbacks run at the same time, each on a thread of its own. A
 * pending request keeps its thread, so 8 pending requests delay all others.
 */
typedef void (*pusher_authorize_callback)(void *user_data, pusher_auth_request *request);

/*
 * The same for several channels at a time. Each request gets a response of its own. The array is valid until the
 * callback returns.
 */
typedef void (*pusher_batch_authorize_callback)(void *user_data, pusher_auth_request *const *requests, size_t count);

/*
 * Sets the authorizer of channels. If the config has several sources of permissions, the client uses the first of:
 * pusher_config_authorizer, pusher_config_batch_authorizer, auth_endpoint, secret.
 */
int32_t pusher_config_authorizer(pusher_config *config, pusher_authorize_callback callback,
                                 void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy);
int32_t pusher_config_batch_authorizer(pusher_config *config, pusher_batch_authorize_callback callback,
                                       void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy);

/*
 * Sets the authenticator of users. If the config has several sources of permissions, the client uses the first of:
 * pusher_config_user_authenticator, user_auth_endpoint, secret with user_data.
 */
int32_t pusher_config_user_authenticator(pusher_config *config, pusher_authorize_callback callback,
                                         void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy);

/* The channel of the request; PUSHER_NOTHING for a sign-in. Valid as long as the request. */
int32_t pusher_auth_request_channel(pusher_auth_request *request, const char **text, size_t *PUSHER_NULLABLE length);

/* The socket id of the connection that the permission is for. Valid as long as the request. */
int32_t pusher_auth_request_socket_id(pusher_auth_request *request, const char **text, size_t *PUSHER_NULLABLE length);

/*
 * Grants a channel, with the parts of the backend's response: the signature ("app-key:digest"); for a presence channel
 * also channel_data, which is the signed JSON text with the user of this client; for an encrypted channel also
 * shared_secret, in base64.
 */
int32_t pusher_auth_request_grant(pusher_auth_request *request, const char *auth,
                                  const char *PUSHER_NULLABLE channel_data, const char *PUSHER_NULLABLE shared_secret);

/* Grants a sign-in: the signature, and the signed JSON text with the user's id. */
int32_t pusher_auth_request_grant_user(pusher_auth_request *request, const char *auth, const char *user_data);

/*
 * Grants a channel or a sign-in by the JSON object of the backend's response. For a channel it has auth, and perhaps
 * channel_data and shared_secret; for a sign-in it has auth and user_data. PUSHER_ERR_AUTH_MALFORMED if the text is not
 * such an object: the request stays pending.
 */
int32_t pusher_auth_request_grant_json(pusher_auth_request *request, const char *PUSHER_NULLABLE json, size_t length);

/*
 * Refuses a request, with a message for a person, and with an HTTP status (100-599), or 0 for none. After 408, 429 and
 * 5xx the client repeats the request, up to three times.
 */
int32_t pusher_auth_request_refuse(pusher_auth_request *request, const char *message, int32_t status);

/* Frees a request. A pending request is refused. */
void pusher_auth_request_free(pusher_auth_request *PUSHER_NULLABLE request);

/*
 * Adds headers or parameters to a request to an auth endpoint. The client calls it before each request. `pairs` is
 * valid until the callback returns.
 */
typedef void (*pusher_pairs_callback)(void *user_data, pusher_pairs *pairs);

int32_t pusher_config_auth_headers(pusher_config *config, pusher_pairs_callback callback,
                                   void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy);
int32_t pusher_config_auth_params(pusher_config *config, pusher_pairs_callback callback,
                                  void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy);
/* Adds a pair; both texts are copied. */
int32_t pusher_pairs_add(pusher_pairs *pairs, const char *name, const char *value);

/*
 * Decodes the decrypted bytes of an event of an encrypted channel to text. Without a decoder the bytes are UTF-8. It
 * returns 0 after pusher_text_set, and another number for bytes that it cannot decode. `data` and `text` are valid
 * until the callback returns. The client may call it more than once for the same event.
 */
typedef int32_t (*pusher_decode_callback)(void *user_data, const char *data, size_t length, pusher_text *text);

int32_t pusher_config_encrypted_data_decoder(pusher_config *config, pusher_decode_callback callback,
                                             void *PUSHER_NULLABLE user_data,
                                             pusher_destructor PUSHER_NULLABLE destroy);
/* Sets the text, which is copied; the last one counts. */
int32_t pusher_text_set(pusher_text *text, const char *PUSHER_NULLABLE data, size_t length);

/*
 * Makes the connection. It writes a connected stream socket (a descriptor, on Windows a SOCKET) and returns 0. Another
 * result is a failed attempt, after which the program closes what it has opened.
 *
 * After 0 the socket belongs to the client, which closes it, even if it cannot use it. The client makes the socket
 * blocking and sets FD_CLOEXEC; set FD_CLOEXEC yourself if another thread may start a program before that. TLS, if it is
 * configured, goes over the socket. Requests to auth endpoints do not use the dialer.
 *
 * The callback returns within `timeout_ms`, and `host` is valid until then. Up to four calls run at the same time; a
 * further attempt fails at once.
 */
typedef int32_t (*pusher_dial_callback)(void *user_data, const char *host, uint16_t port, int32_t timeout_ms,
                                        intptr_t *socket);

int32_t pusher_config_dialer(pusher_config *config, pusher_dial_callback callback, void *PUSHER_NULLABLE user_data,
                             pusher_destructor PUSHER_NULLABLE destroy);

/* ---- The client ------------------------------------------------------------------------------------------------ */

/* Makes a client out of the options, which are checked here. Does no I/O and starts no thread. */
int32_t pusher_client_new(pusher_config *config, pusher_client **client);

/*
 * Disconnects and ends the client, normally at once, and within 250 ms. Calls of other threads that wait in it return.
 * It does not wait for a callback that is running or about to run. The destructor of the callback runs after the last
 * run.
 */
void pusher_client_free(pusher_client *PUSHER_NULLABLE client);

/*
 * Connects, and waits for the outcome, for connect_timeout_ms at most. While the client is connected, it returns
 * PUSHER_OK at once. Otherwise it makes one attempt at once, and returns PUSHER_OK or the error of that attempt. After a
 * failure the client makes no further attempt, unless it was reconnecting: then it goes on.
 *
 * When this, or a pusher_wait_... function, returns, the awaited notification is in the queues of all callbacks and
 * receivers. Callbacks and receivers that are made afterwards get only newer notifications.
 */
int32_t pusher_connect(pusher_client *client);

/* Connects without waiting. The client keeps trying, even if the first attempt fails. */
int32_t pusher_connect_background(pusher_client *client);

/*
 * Waits until there is a connection. It returns PUSHER_ERR_DISCONNECTED if the client makes no attempt, and the error of
 * the last attempt if the client has given up.
 */
int32_t pusher_wait_connected(pusher_client *client, int32_t timeout_ms);

/*
 * Disconnects, normally at once, and within 250 ms. After it returns nothing of any channel is delivered. Subscriptions
 * and callbacks stay for the next connection.
 */
int32_t pusher_disconnect(pusher_client *client);

/* Skips the delay before the next attempt; while connected, checks whether the connection is alive. */
int32_t pusher_reconnect_now(pusher_client *client);

enum {
    PUSHER_STATE_DISCONNECTED = 0, /* there is no connection and none is being made */
    PUSHER_STATE_CONNECTING = 1,
    PUSHER_STATE_CONNECTED = 2,
    PUSHER_STATE_UNAVAILABLE = 3,  /* no connection could be made for unavailable_timeout_ms; attempts go on */
    PUSHER_STATE_RECONNECTING = 4, /* waits before the next attempt */
    PUSHER_STATE_DISCONNECTING = 5,
    PUSHER_STATE_FAILED = 6        /* refused for good, or out of attempts; only connecting again leaves it */
};

int32_t pusher_state(pusher_client *client, int32_t *state);

/* The name of a state, such as "connected"; PUSHER_NOTHING for a number without one. Static. */
int32_t pusher_state_name(int32_t state, const char **text);

/*
 * The id of the connection; PUSHER_NOTHING while there is none. Valid until this thread's next call of this function.
 */
int32_t pusher_socket_id(pusher_client *client, const char **text, size_t *PUSHER_NULLABLE length);

/*
 * Replaces a header, or a parameter, of the requests to the auth endpoints from now on, or adds one: for a token that
 * has been renewed.
 */
int32_t pusher_set_auth_header(pusher_client *client, const char *name, const char *value);
int32_t pusher_set_auth_param(pusher_client *client, const char *name, const char *value);

/* ---- Channels -------------------------------------------------------------------------------------------------- */

/*
 * Subscribes, now or as soon as there is a connection, and again on each new one. The outcome arrives as a
 * notification; pusher_wait_subscribed waits for it. The kind of the channel stands in its name: private-, presence-,
 * private-encrypted-, cache-, ...
 */
int32_t pusher_subscribe(pusher_client *client, const char *channel);

/*
 * Subscribes with a permission that the program has already. It serves the current connection, or the next one while
 * there is none. On each later connection the client uses the source of permissions in its config. Without one, it
 * reports a PUSHER_KIND_SUBSCRIPTION_ERROR with PUSHER_ERR_NO_AUTHORIZER, and the program calls this function again.
 *
 * A program that only polls authorises as follows, when the state becomes PUSHER_STATE_CONNECTED for the first time, and
 * after each PUSHER_ERR_NO_AUTHORIZER: it sends the socket id (pusher_socket_id) to its backend, and calls this function
 * with the response, if the socket id is still the same. The server refuses a permission for another socket id.
 */
int32_t pusher_subscribe_with_auth(pusher_client *client, const char *channel, const char *auth,
                                   const char *PUSHER_NULLABLE channel_data, const char *PUSHER_NULLABLE shared_secret);

/* The same with the JSON object of the backend's response. PUSHER_ERR_AUTH_MALFORMED if it is not one. */
int32_t pusher_subscribe_with_auth_json(pusher_client *client, const char *channel, const char *PUSHER_NULLABLE json,
                                        size_t length);

/* After it returns, no further event of the channel is delivered, and no subscribe is sent for it. */
int32_t pusher_unsubscribe(pusher_client *client, const char *channel);
int32_t pusher_unsubscribe_all(pusher_client *client);

/* Whether the server has confirmed the subscription, on the connection of this moment. */
int32_t pusher_is_subscribed(pusher_client *client, const char *channel, int32_t *subscribed);

/* Waits until the server has confirmed the subscription; otherwise returns the error that ended it. */
int32_t pusher_wait_subscribed(pusher_client *client, const char *channel, int32_t timeout_ms);

/*
 * Waits until each subscription is confirmed or has failed. Of several errors it returns that of the channel whose name
 * the program has used first, to subscribe or to bind.
 */
int32_t pusher_wait_all_subscribed(pusher_client *client, int32_t timeout_ms);

/* The names of the channels that the program has subscribed to, confirmed or not. */
int32_t pusher_channels(pusher_client *client, pusher_list **list);

/*
 * The members of a presence channel: all of them; the one with this id, or PUSHER_NOTHING; the member that is the user
 * of this client. While the connection is lost these are the last known members. The caller frees the list.
 */
int32_t pusher_members(pusher_client *client, const char *channel, pusher_list **list);
int32_t pusher_member(pusher_client *client, const char *channel, const char *id, pusher_list **list);
int32_t pusher_me(pusher_client *client, const char *channel, pusher_list **list);

/* The number of connections that are subscribed; PUSHER_NOTHING before the server has reported it. */
int32_t pusher_subscription_count(pusher_client *client, const char *channel, uint64_t *count);

/*
 * Sends an event to the other subscribers of a private or presence channel. The event's name begins with "client-".
 * `json` is the data as JSON. pusher_trigger_text sends a plain text as the data.
 */
int32_t pusher_trigger(pusher_client *client, const char *channel, const char *event,
                       const char *PUSHER_NULLABLE json, size_t length);
int32_t pusher_trigger_text(pusher_client *client, const char *channel, const char *event,
                            const char *PUSHER_NULLABLE text, size_t length);

/* ---- Lists ----------------------------------------------------------------------------------------------------- */

int32_t pusher_list_length(pusher_list *list, size_t *length);

/*
 * The name of a channel, or the id of a user or a member. Valid as long as the list. PUSHER_NOTHING beyond the end.
 */
int32_t pusher_list_id(pusher_list *list, size_t index, const char **text, size_t *PUSHER_NULLABLE length);

/*
 * The info that the app gives about a member, as JSON; "null" if there is none. Valid as long as the list.
 * PUSHER_NOTHING for lists without members.
 */
int32_t pusher_list_info(pusher_list *list, size_t index, const char **text, size_t *PUSHER_NULLABLE length);

void pusher_list_free(pusher_list *PUSHER_NULLABLE list);

/* ---- Users ----------------------------------------------------------------------------------------------------- */

/*
 * Signs the user in, now or as soon as there is a connection, and again on each new one. Returns at once.
 * PUSHER_ERR_CONFIG if the config has no source of permissions for users: see pusher_sign_in_with_auth.
 */
int32_t pusher_sign_in(pusher_client *client);

/*
 * Signs the user in by a permission that the program has already, for the current connection: the signature, and the
 * signed JSON text with the user's id. On each later connection the client reports a PUSHER_KIND_ERROR with
 * PUSHER_ERR_AUTH_REFUSED, and the program calls this function again. A program that only polls signs in like this: it
 * sends the socket id (pusher_socket_id) to its backend, and calls this function with the response.
 *
 * PUSHER_ERR_NOT_CONNECTED while the client connects or reconnects; PUSHER_ERR_DISCONNECTED while it is disconnected;
 * PUSHER_ERR_VALUE if the config has a source of permissions for users.
 */
int32_t pusher_sign_in_with_auth(pusher_client *client, const char *auth, const char *user_data);

/* The same with the JSON object of the backend's response. PUSHER_ERR_AUTH_MALFORMED if it is not one. */
int32_t pusher_sign_in_with_auth_json(pusher_client *client, const char *PUSHER_NULLABLE json, size_t length);

/* Waits until the server has confirmed the sign-in; otherwise returns the error that ended it. */
int32_t pusher_wait_signed_in(pusher_client *client, int32_t timeout_ms);

/* The user's id; PUSHER_NOTHING while no user is signed in. Valid until this thread's next call of this function. */
int32_t pusher_user_id(pusher_client *client, const char **text, size_t *PUSHER_NULLABLE length);

/* ---- Signing --------------------------------------------------------------------------------------------------- */

/*
 * For backends: the JSON object that an auth endpoint returns, signed with the app's key and secret for the connection
 * with this socket id. channel_data is for presence channels, JSON text with user_id and perhaps user_info;
 * shared_secret is for encrypted channels, in base64; user_data is JSON text with id, and perhaps user_info and
 * watchlist. These JSON texts are not checked. A socket id has only letters, digits, '.', '-' and '_': for another one,
 * and for a name that no channel can have, the signature is empty, and servers refuse it. The backend checks whether the
 * user may subscribe before it calls this function. The text holds secrets. It is valid until this thread's next call of
 * this function, and is wiped then.
 */
int32_t pusher_sign_channel(const char *key, const char *secret, const char *socket_id, const char *channel,
                            const char *PUSHER_NULLABLE channel_data, const char *PUSHER_NULLABLE shared_secret,
                            const char **text, size_t *PUSHER_NULLABLE length);
int32_t pusher_sign_user(const char *key, const char *secret, const char *socket_id, const char *user_data,
                         const char **text, size_t *PUSHER_NULLABLE length);

/* ---- Receiving by pull ----------------------------------------------------------------------------------------- */

/*
 * The next notification of the client. Waits for up to `timeout_ms`: with 0 it does not wait, and with a negative time
 * it waits for ever. PUSHER_NOTHING if none came in time. PUSHER_CLOSED if the client is freed while this waits and no
 * notification arrives meanwhile. Afterwards it is PUSHER_ERR_HANDLE, as everywhere. The notification belongs to the
 * caller, who frees it; it stays valid when the client is gone. It holds the memory of what arrived together with it,
 * up to 64 KiB or one larger message: copy the text to keep it for long.
 */
int32_t pusher_next(pusher_client *client, int32_t timeout_ms, pusher_notification **notification);

/* The number of notifications that wait for pusher_next. */
int32_t pusher_length(pusher_client *client, size_t *length);

/*
 * A descriptor that is readable while a notification waits, or the client is gone: for poll, epoll, kqueue, select. It
 * belongs to the client: the program must not read from it or close it. It stays readable until pusher_next returns
 * PUSHER_NOTHING; with EPOLLET, call pusher_next until it does. pusher_client_free closes the descriptor, so first wake
 * the thread that waits on it, or let the thread wait on a `dup`. PUSHER_ERR_UNSUPPORTED on Windows.
 */
int32_t pusher_descriptor(pusher_client *client, int32_t *descriptor);

/*
 * A queue beside the client's own: of one channel, of some kinds, or with another policy. Options, set by name as
 * those of pusher_config_set:
 *   channel                    text      all
 *   only                       text      all kinds; each value adds one: event, connection_state_change, ...
 *                                        (PUSHER_KIND_... in small letters); lagged always comes
 *   events                     text      all names of application events; each value adds one. Other kinds are not
 *                                        affected
 *   capacity                   integer   the client's queue_capacity
 *   overflow                   text      the client's overflow if it is set, else drop_oldest
 */
int32_t pusher_receiver_options_new(pusher_receiver_options **options);
int32_t pusher_receiver_options_set(pusher_receiver_options *options, const char *option, const char *value);
int32_t pusher_receiver_options_set_int(pusher_receiver_options *options, const char *option, int64_t value);
void pusher_receiver_options_free(pusher_receiver_options *PUSHER_NULLABLE options);

/*
 * Wakes an event loop. It is called when a notification has come into the queue, or the client is gone, and again only
 * after the program has looked at the queue. It may run on any thread, mostly on the one that reads from the socket, so
 * it must not wait.
 */
typedef void (*pusher_wake_callback)(void *user_data);

int32_t pusher_receiver_options_wake(pusher_receiver_options *options, pusher_wake_callback callback,
                                     void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy);

/* Makes a queue for the notifications from now on. The queue does not keep the client alive. */
int32_t pusher_receiver_new(pusher_client *client, pusher_receiver_options *PUSHER_NULLABLE options,
                            pusher_receiver **receiver);
void pusher_receiver_free(pusher_receiver *PUSHER_NULLABLE receiver);

/* As pusher_next and pusher_descriptor; PUSHER_CLOSED once the client is gone and nothing waits. */
int32_t pusher_receiver_next(pusher_receiver *receiver, int32_t timeout_ms, pusher_notification **notification);
int32_t pusher_receiver_descriptor(pusher_receiver *receiver, int32_t *descriptor);

/*
 * Three numbers of notifications: those that wait; those that were dropped so far, because the queue was full; those
 * that newer ones replaced so far (with keep_latest, where a client event without a sender replaces no other).
 */
int32_t pusher_receiver_length(pusher_receiver *receiver, size_t *length);
int32_t pusher_receiver_dropped(pusher_receiver *receiver, uint64_t *dropped);
int32_t pusher_receiver_superseded(pusher_receiver *receiver, uint64_t *superseded);

/* ---- Notifications --------------------------------------------------------------------------------------------- */

enum {                                       /* the parts of each kind: */
    PUSHER_KIND_EVENT = 1,                   /* channel, name, data, perhaps user_id */
    PUSHER_KIND_CONNECTION_STATE_CHANGE = 2, /* state, previous_state, attempt, perhaps retry_in, perhaps error */
    PUSHER_KIND_SUBSCRIPTION_SUCCEEDED = 3,  /* channel, resubscribed, perhaps gap */
    PUSHER_KIND_SUBSCRIPTION_ERROR = 4,      /* perhaps channel, error; final until the next connection or subscribe */
    PUSHER_KIND_SUBSCRIPTION_COUNT = 5,      /* channel, count */
    PUSHER_KIND_CACHE_MISS = 6,              /* channel */
    PUSHER_KIND_MEMBER_ADDED = 7,            /* channel, user_id, user_info */
    PUSHER_KIND_MEMBER_REMOVED = 8,          /* channel, user_id, user_info */
    PUSHER_KIND_DECRYPTION_FAILURE = 9,      /* channel, name, reason */
    PUSHER_KIND_SIGNED_IN = 10,              /* user_id */
    PUSHER_KIND_WATCHLIST = 11,              /* name (online, offline), users */
    PUSHER_KIND_ERROR = 12,                  /* error; with PUSHER_ERR_LAGGED also count */
    PUSHER_KIND_LAGGED = 13                  /* count: of notifications dropped here, because the queue was full */
};

/* The name of a kind, such as "subscription_succeeded"; PUSHER_NOTHING for a number without one. Static. */
int32_t pusher_kind_name(int32_t kind, const char **text);

/*
 * The parts of a notification. PUSHER_NOTHING where this notification does not have the part. An event that was sent to
 * the signed-in user has the channel #server-to-user-ID. An event that a server sent without a channel has none. Text is
 * valid as long as the notification.
 */
int32_t pusher_notification_kind(const pusher_notification *notification, int32_t *kind);
int32_t pusher_notification_channel(const pusher_notification *notification, const char **text,
                                    size_t *PUSHER_NULLABLE length);
int32_t pusher_notification_name(const pusher_notification *notification, const char **text,
                                 size_t *PUSHER_NULLABLE length);

/* As the publisher sent it: a string as its text, anything else as JSON; empty when there was none. */
int32_t pusher_notification_data(const pusher_notification *notification, const char **text,
                                 size_t *PUSHER_NULLABLE length);

/* The sender of an event. Only client events on presence channels have one, and the server guarantees it. */
int32_t pusher_notification_user_id(const pusher_notification *notification, const char **text,
                                    size_t *PUSHER_NULLABLE length);

/* The info that the app gives about the member, as JSON; "null" if there is none. */
int32_t pusher_notification_user_info(const pusher_notification *notification, const char **text,
                                      size_t *PUSHER_NULLABLE length);

/* The users of a PUSHER_KIND_WATCHLIST. The caller frees the list. */
int32_t pusher_notification_users(const pusher_notification *notification, pusher_list **list);

/*
 * The number in a PUSHER_KIND_SUBSCRIPTION_COUNT, a PUSHER_KIND_LAGGED, and a PUSHER_KIND_ERROR with PUSHER_ERR_LAGGED.
 */
int32_t pusher_notification_count(const pusher_notification *notification, uint64_t *count);
/* The reason of a PUSHER_KIND_DECRYPTION_FAILURE, as text. */
int32_t pusher_notification_reason(const pusher_notification *notification, const char **text,
                                   size_t *PUSHER_NULLABLE length);
int32_t pusher_notification_state(const pusher_notification *notification, int32_t *state);
int32_t pusher_notification_previous_state(const pusher_notification *notification, int32_t *state);

/* The number of the attempt to connect that is being made, or will be next; counts from 1. */
int32_t pusher_notification_attempt(const pusher_notification *notification, uint32_t *attempt);

/* How long the client waits before that attempt; PUSHER_NOTHING when it does not wait. */
int32_t pusher_notification_retry_in(const pusher_notification *notification, uint64_t *milliseconds);

/* Whether the channel was subscribed on an earlier connection already, and is again. */
int32_t pusher_notification_resubscribed(const pusher_notification *notification, int32_t *resubscribed);

/* The time without the channel, for a renewed subscription. Events that were published in that time are lost. */
int32_t pusher_notification_gap(const pusher_notification *notification, uint64_t *milliseconds);

/* Valid as long as the notification. */
int32_t pusher_notification_error(const pusher_notification *notification, const pusher_error **error);

/*
 * One line for a person, such as "news: subscribed", without the data of events and without the info about members. Its
 * wording may change. Valid until this thread's next call of this function.
 */
int32_t pusher_notification_text(const pusher_notification *notification, const char **text,
                                 size_t *PUSHER_NULLABLE length);

/* A copy, to keep a notification that a callback has got. It shares the text. */
int32_t pusher_notification_clone(const pusher_notification *notification, pusher_notification **copy);
void pusher_notification_free(pusher_notification *PUSHER_NULLABLE notification);

/* ---- Receiving by push ----------------------------------------------------------------------------------------- */

/* The notification is valid until the callback returns. */
typedef void (*pusher_callback)(void *user_data, const pusher_notification *notification);

/*
 * Runs a callback for the events of one name, or with NULL of all names; on one channel, or with NULL on all channels
 * and for the events that are sent to the signed-in user. The platform's own events are among them:
 * pusher:subscription_succeeded, pusher:member_added, ... The channel need not be subscribed yet.
 *
 * To end the callback before the client ends, pass a pointer for the binding. The callback may run, on its own thread,
 * before the binding is written. Freeing the binding does not end the callback, which stays as long as the client.
 */
int32_t pusher_bind(pusher_client *client, const char *PUSHER_NULLABLE channel, const char *PUSHER_NULLABLE event,
                    pusher_callback callback, void *PUSHER_NULLABLE user_data,
                    pusher_destructor PUSHER_NULLABLE destroy, pusher_binding **PUSHER_NULLABLE binding);

/* The same for events that are sent to the signed-in user. */
int32_t pusher_bind_user(pusher_client *client, const char *PUSHER_NULLABLE event, pusher_callback callback,
                         void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy,
                         pusher_binding **PUSHER_NULLABLE binding);

/*
 * Runs a callback for every notification of a kind, on one channel or on all. With PUSHER_KIND_EVENT it gets the
 * application's events. With PUSHER_KIND_SUBSCRIPTION_SUCCEEDED it runs at once for each channel that is subscribed
 * already. A callback of PUSHER_KIND_ERROR gets lost notifications as an error with PUSHER_ERR_LAGGED.
 * PUSHER_ERR_VALUE for PUSHER_KIND_LAGGED itself, and for a channel with a kind that belongs to no channel (connection
 * state changes, errors, users).
 */
int32_t pusher_on(pusher_client *client, int32_t kind, const char *PUSHER_NULLABLE channel, pusher_callback callback,
                  void *PUSHER_NULLABLE user_data, pusher_destructor PUSHER_NULLABLE destroy,
                  pusher_binding **PUSHER_NULLABLE binding);

/*
 * Ends the callback and frees the binding. A run that is under way, or just about to begin on another thread, still takes
 * place; the destructor runs after it.
 */
int32_t pusher_unbind(pusher_binding *binding);

/*
 * These end several callbacks at once, as pusher_unbind ends one. pusher_unbind_event ends those of pusher_bind for this
 * event on this channel, but not those for all events. pusher_unbind_all ends all of pusher_bind and pusher_on for this
 * channel. With NULL for the channel, both end the callbacks that were registered without a channel.
 * pusher_unbind_user_event and pusher_unbind_user_all do the same for pusher_bind_user; the latter also ends the
 * callbacks of pusher_on for PUSHER_KIND_SIGNED_IN and PUSHER_KIND_WATCHLIST, which pusher_unbind_all does not end. The
 * handles of their bindings must still be freed.
 */
int32_t pusher_unbind_event(pusher_client *client, const char *PUSHER_NULLABLE channel, const char *event);
int32_t pusher_unbind_all(pusher_client *client, const char *PUSHER_NULLABLE channel);
int32_t pusher_unbind_user_event(pusher_client *client, const char *event);
int32_t pusher_unbind_user_all(pusher_client *client);

void pusher_binding_free(pusher_binding *PUSHER_NULLABLE binding);

/*
 * With the option manual_dispatch, these run callbacks: for all notifications that wait; for up to `max` of them; for
 * those that can begin within `time_ms`. They write the number of handled notifications, which is 0 also while another
 * thread dispatches. PUSHER_ERR_VALUE without the option, and for a negative time.
 */
int32_t pusher_dispatch(pusher_client *client, size_t *PUSHER_NULLABLE count);
int32_t pusher_dispatch_count(pusher_client *client, size_t max, size_t *PUSHER_NULLABLE count);
int32_t pusher_dispatch_time(pusher_client *client, int32_t time_ms, size_t *PUSHER_NULLABLE count);

/* ---- Statistics ------------------------------------------------------------------------------------------------ */

int32_t pusher_stats_new(pusher_client *client, pusher_stats **stats);
void pusher_stats_free(pusher_stats *PUSHER_NULLABLE stats);

/*
 * A counter by its name: attempts, reconnect_attempts, connections, last_close_code, bytes_received, bytes_sent,
 * messages, messages_sent, events, ignored, bad_messages, ping_round_trip_us, auth_retries, queue_depth (of
 * callbacks; pusher_length is that of pusher_next), dropped and superseded (all queues together). PUSHER_NOTHING for
 * last_close_code and ping_round_trip_us (microseconds) before there was one.
 */
int32_t pusher_stats_get(pusher_stats *stats, const char *counter, uint64_t *value);

/* The server's text with last_close_code. May be empty. Valid as long as the stats. */
int32_t pusher_stats_last_close_reason(pusher_stats *stats, const char **text, size_t *PUSHER_NULLABLE length);

/* All counters in one line for a person. Its wording may change. Valid as long as the stats. */
int32_t pusher_stats_text(pusher_stats *stats, const char **text, size_t *PUSHER_NULLABLE length);

#ifdef __cplusplus
}
#endif

#endif /* PUSHER_CHANNELS_H */
