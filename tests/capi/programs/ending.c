/* Frees clients while one of their threads is blocked, and inside a callback that waits for another thread. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

static long milliseconds(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_until(atomic_int *number, int wanted) {
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(number) != wanted) {
        CHECK(time(NULL) < end);
        sched_yield();
    }
}

/* The data of the callbacks of one round. */
struct held {
    atomic_int is_held, is_released, is_freed, dialled_late, destroyed;
};

/* The heartbeat makes the first call. The thread that frees the client makes the last call. */
static void hold(void *user_data) {
    struct held *held = user_data;
    if (!atomic_exchange(&held->is_held, 1)) wait_until(&held->is_released, 1);
}

static int32_t dial(void *user_data, const char *host, uint16_t port, int32_t timeout_ms, intptr_t *socket) {
    struct held *held = user_data;
    (void)host, (void)port, (void)timeout_ms, (void)socket;
    if (atomic_load(&held->is_freed)) atomic_fetch_add(&held->dialled_late, 1);
    return 1;
}

static void destroy(void *user_data) {
    atomic_fetch_add(&((struct held *)user_data)->destroyed, 1);
}

/* Blocks the heartbeat before it begins to connect. Returns the time that freeing the client took. */
static long free_while_held(char **arguments) {
    struct held held = {0};
    pusher_client *client;
    pusher_receiver *receiver;
    pusher_receiver_options *options;
    pusher_config *config = config_of(arguments);
    OK(pusher_config_dialer(config, dial, &held, destroy));
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_receiver_options_new(&options));
    OK(pusher_receiver_options_wake(options, hold, &held, destroy));
    OK(pusher_receiver_new(client, options, &receiver));
    pusher_receiver_options_free(options);
    OK(pusher_connect_background(client));
    wait_until(&held.is_held, 1);

    long start = milliseconds();
    pusher_client_free(client);
    long took = milliseconds() - start;
    atomic_store(&held.is_freed, 1);
    atomic_store(&held.is_released, 1);
    pusher_receiver_free(receiver);
    wait_until(&held.destroyed, 2);
    CHECK(atomic_load(&held.dialled_late) == 0);
    return took;
}

struct joined {
    pusher_client *client;
    pusher_receiver *receiver;
    pthread_t thread;
    int has_run;
};

static void *wait_for_the_end(void *argument) {
    struct joined *joined = argument;
    pusher_notification *notification;
    int32_t result;
    while ((result = pusher_receiver_next(joined->receiver, -1, &notification)) == PUSHER_OK) {
        pusher_notification_free(notification);
    }
    CHECK(result == PUSHER_CLOSED);
    return NULL;
}

/* The thread ends when the client is freed, although pusher_dispatch has not returned yet. */
static void free_and_join(void *user_data, const pusher_notification *notification) {
    struct joined *joined = user_data;
    (void)notification;
    CHECK(!joined->has_run);
    joined->has_run = 1;
    pusher_client_free(joined->client);
    CHECK(pthread_join(joined->thread, NULL) == 0);
}

static void free_inside_dispatch(char **arguments) {
    struct joined joined = {0};
    pusher_config *config = config_of(arguments);
    OK(pusher_config_set_bool(config, "manual_dispatch", 1));
    OK(pusher_client_new(config, &joined.client));
    pusher_config_free(config);
    OK(pusher_receiver_new(joined.client, NULL, &joined.receiver));
    OK(pusher_on(joined.client, PUSHER_KIND_CONNECTION_STATE_CHANGE, NULL, free_and_join, &joined, NULL, NULL));
    CHECK(pthread_create(&joined.thread, NULL, wait_for_the_end, &joined) == 0);
    OK(pusher_connect(joined.client));
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (!joined.has_run) {
        CHECK(time(NULL) < end);
        OK(pusher_dispatch(joined.client, NULL));
    }
    pusher_receiver_free(joined.receiver);
}

int main(int count, char **arguments) {
    CHECK(count == FURTHER);
    free_inside_dispatch(arguments);
    long fastest = free_while_held(arguments);
    for (int round = 1; round < 5; round++) {
        long took = free_while_held(arguments);
        if (took < fastest) fastest = took;
    }
    /* On a loaded machine some rounds may be slow, but not all. */
    CHECK(fastest < 250);
    return 0;
}
