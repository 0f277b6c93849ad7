/*
 * Callbacks: they run on a thread of the client's, while the main thread waits on a condition variable.
 *
 *     cc -std=c99 -pthread -Isrc/capi examples/c/push.c -o push -Ltarget/release -lpusher_channels
 *     LD_LIBRARY_PATH=target/release cargo run --example playground -- ./push
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pusher_channels.h>

static const char *const CHANNELS[] = {"news", "private-orders", "presence-kitchen"};
enum { NEWS = 1, ORDERS = 2, KITCHEN = 4, ALL = 7 };

/* What the callbacks and the main thread share: the user_data of each. */
struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pusher_client *client;
    int callbacks;                           /* how many are registered */
    int events, again, welcome, event_after; /* what was seen; the channels are bits */
};

/* Tells why a call failed, and whether it did. */
static int fails(const char *call, int32_t result)
{
    char reason[256] = "";
    if (result == PUSHER_OK) return 0;
    pusher_last_error_text(reason, sizeof reason);
    fprintf(stderr, "%s: %d %s\n", call, (int)result, reason);
    return 1;
}

/* A text of a notification, "" where it has none. As long as the notification. */
static const char *text(int32_t (*get)(const pusher_notification *, const char **, size_t *),
                        const pusher_notification *notification)
{
    const char *text;
    return get(notification, &text, NULL) == PUSHER_OK ? text : "";
}

static int channel_of(const pusher_notification *notification)
{
    int channel = 0;
    const char *name = text(pusher_notification_channel, notification);
    for (int i = 0; i < 3; i++) channel |= (strcmp(name, CHANNELS[i]) == 0) << i;
    return channel;
}

/* Adds to what the main thread waits for. */
static void add(struct shared *shared, int *to, int bits)
{
    pthread_mutex_lock(&shared->lock);
    *to |= bits;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

/* Callbacks run one at a time, so that only the main thread has to lock what it reads. */
static void on_event(void *user_data, const pusher_notification *event)
{
    struct shared *shared = user_data;
    printf("%s: %s %s\n", text(pusher_notification_channel, event), text(pusher_notification_name, event),
           text(pusher_notification_data, event));
    add(shared, &shared->events, channel_of(event));
    if (shared->again == ALL) add(shared, &shared->event_after, 1);
}

static void on_welcome(void *user_data, const pusher_notification *event)
{
    struct shared *shared = user_data;
    printf("%s says welcome\n", text(pusher_notification_user_id, event));
    add(shared, &shared->welcome, 1);
}

static void on_subscribed(void *user_data, const pusher_notification *success)
{
    static const char hello[] = "{\"says\": \"hello\"}";
    struct shared *shared = user_data;
    const char *name = text(pusher_notification_channel, success);
    uint64_t gap;
    if (pusher_notification_gap(success, &gap) == PUSHER_OK) {
        printf("%s: subscribed again, %lu ms were missed\n", name, (unsigned long)gap);
        add(shared, &shared->again, channel_of(success));
        return;
    }
    printf("%s: subscribed\n", name);
    if (channel_of(success) == KITCHEN) {
        fails("pusher_trigger", pusher_trigger(shared->client, name, "client-hello", hello, sizeof hello - 1));
    }
}

static void on_member(void *user_data, const pusher_notification *change)
{
    int32_t kind = 0;
    (void)user_data;
    pusher_notification_kind(change, &kind);
    printf("%s: %s %s\n", text(pusher_notification_channel, change), text(pusher_notification_user_id, change),
           kind == PUSHER_KIND_MEMBER_ADDED ? "comes" : "goes");
}

/* A change of the connection, a subscription that failed, or something else that went wrong. */
static void on_state_or_error(void *user_data, const pusher_notification *notification)
{
    const pusher_error *error;
    const char *reason = "";
    int32_t state;
    (void)user_data;
    if (pusher_notification_error(notification, &error) == PUSHER_OK) pusher_error_text(error, &reason, NULL);
    if (pusher_notification_state(notification, &state) == PUSHER_OK) printf("connection: state %d ", (int)state);
    puts(reason);
}

/* The destructor: one callback less uses the shared data. */
static void forget(void *user_data)
{
    struct shared *shared = user_data;
    pthread_mutex_lock(&shared->lock);
    shared->callbacks--;
    pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

/* The user_data of one more callback. Each is forgotten once, also when the callback cannot be registered. */
static void *lend(struct shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    shared->callbacks++;
    pthread_mutex_unlock(&shared->lock);
    return shared;
}

static int on(struct shared *shared, int32_t kind, pusher_callback callback)
{
    return !fails("pusher_on", pusher_on(shared->client, kind, NULL, callback, lend(shared), forget, NULL));
}

static int on_everything(struct shared *shared)
{
    return on(shared, PUSHER_KIND_EVENT, on_event) && on(shared, PUSHER_KIND_SUBSCRIPTION_SUCCEEDED, on_subscribed) &&
           on(shared, PUSHER_KIND_MEMBER_ADDED, on_member) && on(shared, PUSHER_KIND_MEMBER_REMOVED, on_member) &&
           on(shared, PUSHER_KIND_CONNECTION_STATE_CHANGE, on_state_or_error) &&
           on(shared, PUSHER_KIND_SUBSCRIPTION_ERROR, on_state_or_error) &&
           on(shared, PUSHER_KIND_ERROR, on_state_or_error) &&
           !fails("pusher_bind", pusher_bind(shared->client, "presence-kitchen", "client-welcome", on_welcome,
                                             lend(shared), forget, NULL));
}

static int begin(pusher_config *config, struct shared *shared)
{
    static const char *const OPTIONS[][2] = {{"host", "PUSHER_HOST"}, {"port", "PUSHER_PORT"}, {"key", "PUSHER_KEY"},
                                             {"auth_endpoint", "PUSHER_AUTH_ENDPOINT"}};
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        if (fails(OPTIONS[i][1], pusher_config_set(config, OPTIONS[i][0], getenv(OPTIONS[i][1])))) return 0;
    }
    if (fails("tls", pusher_config_set_bool(config, "tls", 0)) ||
        fails("pull", pusher_config_set_bool(config, "pull", 0)) || /* nobody calls pusher_next */
        fails("auth_param", pusher_config_add(config, "auth_param", "user_id", "demo")) ||
        fails("pusher_client_new", pusher_client_new(config, &shared->client)) || !on_everything(shared)) return 0;
    for (int i = 0; i < 3; i++) {
        if (fails(CHANNELS[i], pusher_subscribe(shared->client, CHANNELS[i]))) return 0;
    }
    return !fails("pusher_connect", pusher_connect(shared->client));
}

int main(void)
{
    struct shared shared = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, 0, 0, 0, 0};
    pusher_config *config = NULL;
    int has_begun = !fails("pusher_config_new", pusher_config_new(&config)) && begin(config, &shared);
    pusher_config_free(config);

    pthread_mutex_lock(&shared.lock);
    while (has_begun && (shared.events != ALL || !shared.welcome || !shared.event_after)) {
        pthread_cond_wait(&shared.changed, &shared.lock);
    }
    pthread_mutex_unlock(&shared.lock);

    pusher_client_free(shared.client);
    /* A callback may still be running. The shared data is on this stack, so the stack waits. */
    pthread_mutex_lock(&shared.lock);
    while (shared.callbacks > 0) pthread_cond_wait(&shared.changed, &shared.lock);
    pthread_mutex_unlock(&shared.lock);
    return has_begun ? EXIT_SUCCESS : EXIT_FAILURE;
}
