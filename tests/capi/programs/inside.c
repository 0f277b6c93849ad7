/* Calls the functions that a program may call inside a callback. One of them frees the client. */
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

static _Atomic(pusher_client *) client;
static atomic_int calls;
static atomic_int wakes;
static atomic_int destructions;

static void count_destruction(void *user_data) {
    (void)user_data;
    atomic_fetch_add(&destructions, 1);
}

static void on_nothing(void *user_data, const pusher_notification *notification) {
    (void)user_data;
    (void)notification;
}

/* These calls would wait for the thread that they run on. */
static void would_deadlock(pusher_client *own) {
    GIVES(pusher_connect(own), PUSHER_ERR_WOULD_DEADLOCK);
    GIVES(pusher_wait_connected(own, -1), PUSHER_ERR_WOULD_DEADLOCK);
    GIVES(pusher_wait_subscribed(own, "room", -1), PUSHER_ERR_WOULD_DEADLOCK);
    GIVES(pusher_wait_all_subscribed(own, -1), PUSHER_ERR_WOULD_DEADLOCK);
    GIVES(pusher_wait_signed_in(own, -1), PUSHER_ERR_WOULD_DEADLOCK);
}

static void read_state(pusher_client *own) {
    pusher_list *list;
    pusher_stats *stats;
    const char *text;
    int32_t answer;
    OK(pusher_state(own, &answer));
    OK(pusher_socket_id(own, &text, NULL));
    OK(pusher_is_subscribed(own, "room", &answer));
    OK(pusher_channels(own, &list));
    pusher_list_free(list);
    OK(pusher_members(own, "presence-room", &list));
    pusher_list_free(list);
    OK(pusher_stats_new(own, &stats));
    pusher_stats_free(stats);
}

static void make_requests(pusher_client *own) {
    pusher_binding *binding;
    pusher_receiver *receiver;
    OK(pusher_subscribe(own, "other"));
    OK(pusher_unsubscribe(own, "other"));
    OK(pusher_bind(own, "room", "e", on_nothing, NULL, count_destruction, &binding));
    OK(pusher_unbind(binding));
    OK(pusher_receiver_new(own, NULL, &receiver));
    pusher_receiver_free(receiver);
    OK(pusher_reconnect_now(own));
    OK(pusher_trigger(own, "presence-room", "client-e", "{}", 2));
}

static void on_event(void *user_data, const pusher_notification *notification) {
    pusher_client *own = atomic_load(&client), *other;
    pusher_config *config = user_data;
    (void)notification;
    would_deadlock(own);
    read_state(own);
    make_requests(own);
    OK(pusher_client_new(config, &other));
    pusher_client_free(other);
    OK(pusher_unsubscribe_all(own));
    OK(pusher_disconnect(own));
    OK(pusher_connect_background(own));
    pusher_client_free(own);
    GIVES(pusher_connect(own), PUSHER_ERR_HANDLE);
    atomic_fetch_add(&calls, 1);
}

/* Most of these calls come from the thread that reads from the socket. */
static void on_wake(void *user_data) {
    pusher_client *own = atomic_load(&client);
    int32_t state;
    (void)user_data;
    int32_t result = pusher_state(own, &state);
    CHECK(result == PUSHER_OK || result == PUSHER_ERR_HANDLE);
    atomic_fetch_add(&wakes, 1);
}

static void wait_for(atomic_int *counter, int wanted) {
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(counter) < wanted) {
        CHECK(time(NULL) < end);
        sched_yield();
    }
    CHECK(atomic_load(counter) == wanted);
}

int main(int count, char **arguments) {
    pusher_client *made;
    pusher_receiver_options *options;
    pusher_receiver *receiver;
    CHECK(count == FURTHER);
    pusher_config *config = config_of(arguments);
    OK(pusher_config_set(config, "secret", arguments[SECRET]));
    OK(pusher_config_set(config, "user_data", "{\"id\": \"ann\"}"));
    OK(pusher_client_new(config, &made));
    atomic_store(&client, made);
    OK(pusher_receiver_options_new(&options));
    OK(pusher_receiver_options_wake(options, on_wake, NULL, count_destruction));
    OK(pusher_receiver_new(made, options, &receiver));
    pusher_receiver_options_free(options);
    OK(pusher_connect(made));
    OK(pusher_subscribe(made, "room"));
    OK(pusher_subscribe(made, "presence-room"));
    OK(pusher_wait_subscribed(made, "room", PATIENCE_MS));
    OK(pusher_wait_subscribed(made, "presence-room", PATIENCE_MS));
    /* A cache channel sends its last event to each new subscriber. */
    OK(pusher_bind(made, "cache-news", "published", on_event, config, count_destruction, NULL));
    OK(pusher_subscribe(made, "cache-news"));

    wait_for(&calls, 1);
    pusher_receiver_free(receiver);
    /* The destructors of the binding, of the binding that its callback made, and of the wake callback. */
    wait_for(&destructions, 3);
    CHECK(atomic_load(&wakes) > 0);
    pusher_config_free(config);
    return 0;
}
