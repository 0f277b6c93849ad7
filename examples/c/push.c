/*
 * Callbacks: they run on a thread of the client's, while the main thread waits on a condition variable.
 *
 *     cc -std=c99 -pthread -Isrc/capi examples/c/push.c -o push -Ltarget/release -lpusher_channels
 *     LD_LIBRARY_PATH=target/release cargo run --example playground -- ./push
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pusher_channels.h>

/* The user_data of all callbacks. They run one at a time, so that the lock is for the main thread. */
struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pusher_client *client;
    int callbacks;         /* how many may still run */
    int again, is_welcome; /* how many channels are subscribed again, and whether Ann has answered */
    int exit_code;         /* negative while the program goes on */
};

/* Tells why the last call has failed. */
static void complain(void)
{
    char reason[256] = "";
    pusher_last_error_text(reason, sizeof reason);
    fprintf(stderr, "%s\n", reason);
}

/* A text of a notification, "" where it has none. As long as the notification. */
static const char *text(int32_t (*get)(const pusher_notification *, const char **, size_t *),
                        const pusher_notification *notification)
{
    const char *text;
    return get(notification, &text, NULL) == PUSHER_OK ? text : "";
}

static const char *reason(const pusher_notification *notification)
{
    const pusher_error *error;
    const char *text = "";
    if (pusher_notification_error(notification, &error) == PUSHER_OK) pusher_error_text(error, &text, NULL);
    return text;
}

/* Writes one of the numbers that are shared, and wakes the main thread. */
static void set(struct shared *shared, int *number, int value)
{
    pthread_mutex_lock(&shared->lock);
    *number = value;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

static void on_event(void *user_data, const pusher_notification *event)
{
    struct shared *shared = user_data;
    printf("%s: %s %s\n", text(pusher_notification_channel, event), text(pusher_notification_name, event),
           text(pusher_notification_data, event));
    if (shared->is_welcome && shared->again == 3) set(shared, &shared->exit_code, EXIT_SUCCESS);
}

static void on_welcome(void *user_data, const pusher_notification *event)
{
    struct shared *shared = user_data;
    printf("%s says welcome\n", text(pusher_notification_user_id, event));
    shared->is_welcome = 1;
}

static void on_subscribed(void *user_data, const pusher_notification *success)
{
    static const char hello[] = "{\"says\": \"hello\"}";
    struct shared *shared = user_data;
    const char *channel = text(pusher_notification_channel, success);
    uint64_t gap;
    if (pusher_notification_gap(success, &gap) == PUSHER_OK) {
        printf("%s: subscribed again after %" PRIu64 " ms\n", channel, gap);
        shared->again++;
        return;
    }
    printf("%s: subscribed\n", channel);
    if (strcmp(channel, "presence-kitchen") == 0 &&
        pusher_trigger(shared->client, channel, "client-hello", hello, sizeof hello - 1)) complain();
}

static void on_refused(void *user_data, const pusher_notification *refusal)
{
    struct shared *shared = user_data;
    fprintf(stderr, "cannot subscribe to %s: %s\n", text(pusher_notification_channel, refusal), reason(refusal));
    set(shared, &shared->exit_code, EXIT_FAILURE);
}

static void on_state(void *user_data, const pusher_notification *change)
{
    struct shared *shared = user_data;
    int32_t state = 0;
    const char *name = "?";
    pusher_notification_state(change, &state);
    pusher_state_name(state, &name);
    fprintf(stderr, "connection: %s %s\n", name, reason(change));
    if (state == PUSHER_STATE_FAILED) set(shared, &shared->exit_code, EXIT_FAILURE);
}

/* A member has come or left, or something went wrong. */
static void on_other(void *user_data, const pusher_notification *notification)
{
    int32_t kind = 0;
    const char *name = "?";
    (void)user_data;
    pusher_notification_kind(notification, &kind);
    pusher_kind_name(kind, &name);
    printf("%s: %s %s%s\n", text(pusher_notification_channel, notification), name,
           text(pusher_notification_user_id, notification), reason(notification));
}

/* The destructor: one callback less uses what is shared. It runs for each once, also when registering has failed. */
static void forget(void *user_data)
{
    struct shared *shared = user_data;
    pthread_mutex_lock(&shared->lock);
    shared->callbacks--;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

/* Returns 0, as the library does, when that succeeds. */
static int register_all(struct shared *shared)
{
    static const struct { int32_t kind; pusher_callback callback; } CALLBACKS[] = {
        {PUSHER_KIND_EVENT, on_event}, {PUSHER_KIND_SUBSCRIPTION_SUCCEEDED, on_subscribed},
        {PUSHER_KIND_SUBSCRIPTION_ERROR, on_refused}, {PUSHER_KIND_CONNECTION_STATE_CHANGE, on_state},
        {PUSHER_KIND_MEMBER_ADDED, on_other}, {PUSHER_KIND_MEMBER_REMOVED, on_other}, {PUSHER_KIND_ERROR, on_other}};
    int failed = 0;
    for (size_t i = 0; i < sizeof CALLBACKS / sizeof *CALLBACKS && !failed; i++) {
        shared->callbacks++; /* nothing else runs before pusher_connect */
        failed = pusher_on(shared->client, CALLBACKS[i].kind, NULL, CALLBACKS[i].callback, shared, forget, NULL);
    }
    if (failed) return failed;
    shared->callbacks++;
    return pusher_bind(shared->client, "presence-kitchen", "client-welcome", on_welcome, shared, forget, NULL);
}

int main(void)
{
    struct shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .exit_code = -1};
    pusher_config *config = NULL;
    /* The option "pull" is off, because nobody calls pusher_next. */
    if (pusher_config_new(&config) || pusher_config_set_bool(config, "pull", 0) ||
        pusher_config_set_bool(config, "tls", 0) || pusher_config_set(config, "host", getenv("PUSHER_HOST")) ||
        pusher_config_set(config, "port", getenv("PUSHER_PORT")) ||
        pusher_config_set(config, "key", getenv("PUSHER_KEY")) ||
        pusher_config_set(config, "auth_endpoint", getenv("PUSHER_AUTH_ENDPOINT")) ||
        pusher_config_add(config, "auth_param", "user_id", "demo") || pusher_client_new(config, &shared.client) ||
        register_all(&shared) || pusher_subscribe(shared.client, "news") ||
        pusher_subscribe(shared.client, "private-orders") || pusher_subscribe(shared.client, "presence-kitchen") ||
        pusher_connect(shared.client)) {
        complain();
        set(&shared, &shared.exit_code, EXIT_FAILURE);
    }
    pusher_config_free(config);

    pthread_mutex_lock(&shared.lock);
    while (shared.exit_code < 0) pthread_cond_wait(&shared.changed, &shared.lock);
    pthread_mutex_unlock(&shared.lock);

    pusher_client_free(shared.client);
    /* A callback may still be running. The shared data is on this stack, so the function waits for the last
     * destructor. */
    pthread_mutex_lock(&shared.lock);
    while (shared.callbacks > 0) pthread_cond_wait(&shared.changed, &shared.lock);
    pthread_mutex_unlock(&shared.lock);
    return shared.exit_code;
}
