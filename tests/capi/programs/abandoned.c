/* A receiver is freed while a thread waits on it. The client then works as without the receiver. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "sleeps.h"

static pusher_receiver *receiver;
static _Atomic pid_t waiting;
static atomic_int destructions;

static void on_wake(void *user_data) { (void)user_data; }

static void count_destruction(void *user_data) {
    (void)user_data;
    atomic_fetch_add(&destructions, 1);
}

static void *wait_for_ever(void *argument) {
    pusher_notification *notification;
    int32_t result;
    (void)argument;
    atomic_store(&waiting, (pid_t)syscall(SYS_gettid));
    while ((result = pusher_receiver_next(receiver, -1, &notification)) == PUSHER_OK) {
        pusher_notification_free(notification);
    }
    CHECK(result == PUSHER_CLOSED || result == PUSHER_ERR_HANDLE);
    return NULL;
}

int main(int count, char **arguments) {
    pusher_client *client;
    pusher_receiver_options *options;
    pthread_t thread;
    CHECK(count == FURTHER);
    pusher_config *config = config_of(arguments);
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_receiver_options_new(&options));
    /* One notification fills this queue. If the client kept the queue, it would wait for room in it for ever. */
    OK(pusher_receiver_options_set(options, "overflow", "block"));
    OK(pusher_receiver_options_set_int(options, "capacity", 1));
    OK(pusher_receiver_options_set(options, "only", "event"));
    OK(pusher_receiver_options_wake(options, on_wake, NULL, count_destruction));
    OK(pusher_receiver_new(client, options, &receiver));
    pusher_receiver_options_free(options);
    OK(pusher_connect(client));

    CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(&waiting) == 0 || !sleeps(atomic_load(&waiting))) {
        CHECK(time(NULL) < end);
        sched_yield();
    }
    pusher_receiver_free(receiver);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(atomic_load(&destructions) == 1);

    for (int i = 0; i < 3; i++) {
        OK(pusher_subscribe(client, "cache-news"));
        pusher_notification_free(next_of(client, PUSHER_KIND_EVENT));
        OK(pusher_unsubscribe(client, "cache-news"));
    }
    pusher_client_free(client);
    return 0;
}
