/*
 * The effect of a signal on a wait, and the ways to end a wait. Each sentence of SIGNALS in the header is tested.
 *
 * Each call that can wait for ever is tested on a thread of its own. A signal runs its handler on that thread, and the
 * wait continues. Then the client is disconnected, or freed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "sleeps.h"

static pid_t thread_id(void) { return (pid_t)syscall(SYS_gettid); }

static long milliseconds(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- The handler ----------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop;
static _Atomic pid_t handled_by;
static atomic_int handled;
static int self_pipe[2];

/* The header allows a handler to set a flag and to write to a pipe. */
static void on_signal(int number) {
    int before = errno;
    (void)number;
    stop = 1;
    atomic_store(&handled_by, thread_id());
    atomic_fetch_add(&handled, 1);
    if (write(self_pipe[1], "", 1) != 1) abort();
    errno = before;
}

static void handle_signals(int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = flags;
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    stop = 0;
}

static void block_signals(int how) {
    sigset_t set;
    CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGINT) == 0);
    CHECK(pthread_sigmask(how, &set, NULL) == 0);
}

static void empty_self_pipe(void) {
    char byte;
    CHECK(read(self_pipe[0], &byte, 1) == 1);
}

/* ---- One thread that waits ------------------------------------------------------------------------------------- */

struct waiter {
    pthread_t thread;
    _Atomic pid_t id;
    atomic_int is_done;
    long ended; /* the time */
    int32_t result;
    int32_t (*wait)(pusher_client *client);
    pusher_client *client;
};

static void *run(void *argument) {
    struct waiter *waiter = argument;
    block_signals(SIG_UNBLOCK);
    atomic_store(&waiter->id, thread_id());
    waiter->result = waiter->wait(waiter->client);
    waiter->ended = milliseconds();
    atomic_store(&waiter->is_done, 1);
    return NULL;
}

static void until_it_sleeps(struct waiter *waiter) {
    long end = milliseconds() + PATIENCE_MS;
    while (atomic_load(&waiter->id) == 0 || !sleeps(atomic_load(&waiter->id))) {
        CHECK(!atomic_load(&waiter->is_done));
        CHECK(milliseconds() < end);
        sched_yield();
    }
}

static void begin(struct waiter *waiter, int32_t (*wait)(pusher_client *), pusher_client *client) {
    memset(waiter, 0, sizeof *waiter);
    waiter->wait = wait;
    waiter->client = client;
    CHECK(pthread_create(&waiter->thread, NULL, run, waiter) == 0);
    until_it_sleeps(waiter);
}

static int32_t end_of(struct waiter *waiter) {
    CHECK(pthread_join(waiter->thread, NULL) == 0);
    return waiter->result;
}

/* Sends the signal to one thread, or to the process: then the handler runs on a thread that does not block it. */
enum target { THREAD, PROCESS };

static void interrupt(struct waiter *waiter, enum target target) {
    long end = milliseconds() + PATIENCE_MS;
    int before = atomic_load(&handled);
    CHECK(target == THREAD ? pthread_kill(waiter->thread, SIGINT) == 0 : kill(getpid(), SIGINT) == 0);
    while (atomic_load(&handled) == before) {
        CHECK(milliseconds() < end);
        sched_yield();
    }
    CHECK(atomic_load(&handled_by) == atomic_load(&waiter->id));
}

/* ---- The waits ------------------------------------------------------------------------------------------------- */

static int32_t next(pusher_client *client) {
    pusher_notification *notification;
    int32_t result = pusher_next(client, -1, &notification);
    if (result == PUSHER_OK) pusher_notification_free(notification);
    return result;
}

static int32_t receiver_next(pusher_client *client) {
    pusher_receiver *receiver;
    pusher_notification *notification;
    OK(pusher_receiver_new(client, NULL, &receiver));
    int32_t result = pusher_receiver_next(receiver, -1, &notification);
    if (result == PUSHER_OK) pusher_notification_free(notification);
    pusher_receiver_free(receiver);
    return result;
}

static int32_t wait_subscribed(pusher_client *client) { return pusher_wait_subscribed(client, "private-unanswered", -1); }
static int32_t wait_all_subscribed(pusher_client *client) { return pusher_wait_all_subscribed(client, -1); }
static int32_t wait_signed_in(pusher_client *client) { return pusher_wait_signed_in(client, -1); }
static int32_t wait_connected(pusher_client *client) { return pusher_wait_connected(client, -1); }
static int32_t connect_first(pusher_client *client) { return pusher_connect(client); }

/* No request is answered, so the waits do not end by themselves. */
static void ignore(void *user_data, pusher_auth_request *request) {
    (void)user_data;
    (void)request;
}

static void forget_all(pusher_client *client) {
    pusher_notification *notification;
    while (pusher_next(client, 0, &notification) == PUSHER_OK) pusher_notification_free(notification);
}

/* A connected client that waits for the permissions for a channel and for a user. */
static pusher_client *connected(char **arguments) {
    pusher_client *client;
    pusher_config *config = config_of(arguments);
    OK(pusher_config_authorizer(config, ignore, NULL, NULL));
    OK(pusher_config_user_authenticator(config, ignore, NULL, NULL));
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect(client));
    OK(pusher_subscribe(client, "private-unanswered"));
    OK(pusher_sign_in(client));
    forget_all(client);
    return client;
}

/* A client of a server that accepts connections and never answers. */
static pusher_client *connecting(int *listener) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    pusher_client *client;
    pusher_config *config;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(*listener >= 0 && bind(*listener, (struct sockaddr *)&address, size) == 0 && listen(*listener, 8) == 0);
    CHECK(getsockname(*listener, (struct sockaddr *)&address, &size) == 0);
    OK(pusher_config_new(&config));
    OK(pusher_config_set(config, "key", "k"));
    OK(pusher_config_set(config, "host", "127.0.0.1"));
    OK(pusher_config_set_int(config, "port", ntohs(address.sin_port)));
    OK(pusher_config_set_bool(config, "tls", 0));
    OK(pusher_config_set_int(config, "connect_timeout_ms", PATIENCE_MS));
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    return client;
}

/* ---- The promises of the header -------------------------------------------------------------------------------- */

static void signal_does_not_end(struct waiter *waiter, enum target target) {
    int flags[] = {0, SA_RESTART};
    for (int i = 0; i < 2; i++) {
        handle_signals(flags[i]);
        interrupt(waiter, target);
        empty_self_pipe();
        until_it_sleeps(waiter);
    }
}

/* Disconnects, or frees the client. Returns the result of the wait. */
static int32_t ended(struct waiter *waiter, pusher_client *client, int by_free) {
    if (by_free) {
        pusher_client_free(client);
        return end_of(waiter);
    }
    OK(pusher_disconnect(client));
    int32_t result = end_of(waiter);
    pusher_client_free(client);
    return result;
}

static void waits_go_on_until_they_are_ended(char **arguments) {
    struct {
        int32_t (*wait)(pusher_client *client);
        int32_t result;
    } waits[] = {
        /* These two calls return the notification of the changed state. */
        {next, PUSHER_OK},
        {receiver_next, PUSHER_OK},
        {wait_subscribed, PUSHER_ERR_DISCONNECTED},
        {wait_all_subscribed, PUSHER_ERR_DISCONNECTED},
        {wait_signed_in, PUSHER_ERR_DISCONNECTED},
    };
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        for (int by_free = 0; by_free < 2; by_free++) {
            struct waiter waiter;
            pusher_client *client = connected(arguments);
            begin(&waiter, waits[i].wait, client);
            signal_does_not_end(&waiter, PROCESS);
            CHECK(ended(&waiter, client, by_free) == waits[i].result);
        }
    }
}

/* Threads inherit the signal mask of the thread that starts them. Here it is the thread that calls pusher_connect. */
static void connecting_goes_on_until_it_is_ended(void) {
    int32_t (*waits[])(pusher_client *) = {connect_first, wait_connected};
    for (size_t i = 0; i < 2; i++) {
        for (int by_free = 0; by_free < 2; by_free++) {
            struct waiter waiter;
            int listener;
            pusher_client *client = connecting(&listener);
            if (waits[i] == wait_connected) OK(pusher_connect_background(client));
            begin(&waiter, waits[i], client);
            signal_does_not_end(&waiter, THREAD);
            CHECK(ended(&waiter, client, by_free) == PUSHER_ERR_DISCONNECTED);
            CHECK(close(listener) == 0);
        }
    }
}

/* After the notification of the changed state there are no others, so only freeing the client ends this wait. */
static int32_t next_until_an_end(pusher_client *client) {
    int32_t result;
    do result = next(client);
    while (result == PUSHER_OK);
    return result;
}

static void receiving_goes_on_after_disconnect(char **arguments) {
    struct waiter waiter;
    pusher_client *client = connected(arguments);
    begin(&waiter, next_until_an_end, client);
    OK(pusher_disconnect(client));
    forget_all(client);
    until_it_sleeps(&waiter);
    signal_does_not_end(&waiter, PROCESS);
    pusher_client_free(client);
    CHECK(end_of(&waiter) == PUSHER_CLOSED);
}

static int32_t in_slices(pusher_client *client) {
    while (!stop) {
        pusher_notification *notification;
        int32_t result = pusher_next(client, 100, &notification);
        if (result == PUSHER_NOTHING) continue;
        if (result != PUSHER_OK) return result;
        pusher_notification_free(notification);
    }
    return PUSHER_OK;
}

/* Returns the time from the signal to the end of the wait. */
static long slices_end_by_a_flag(pusher_client *client) {
    struct waiter waiter;
    handle_signals(SA_RESTART);
    begin(&waiter, in_slices, client);
    long start = milliseconds();
    interrupt(&waiter, PROCESS);
    empty_self_pipe();
    CHECK(end_of(&waiter) == PUSHER_OK);
    return waiter.ended - start;
}

static int32_t poll_descriptor(pusher_client *client) {
    struct pollfd descriptor = {.events = POLLIN};
    OK(pusher_descriptor(client, &descriptor.fd));
    return poll(&descriptor, 1, -1) == -1 ? errno : 0;
}

static int32_t poll_both(pusher_client *client) {
    struct pollfd descriptors[] = {{.fd = self_pipe[0], .events = POLLIN}, {.events = POLLIN}};
    OK(pusher_descriptor(client, &descriptors[1].fd));
    while (poll(descriptors, 2, -1) == -1) CHECK(errno == EINTR);
    return descriptors[0].revents == POLLIN && descriptors[1].revents == 0;
}

static void poll_ends(pusher_client *client) {
    int flags[] = {0, SA_RESTART};
    for (int i = 0; i < 2; i++) {
        struct waiter waiter;
        handle_signals(flags[i]);
        begin(&waiter, poll_descriptor, client);
        interrupt(&waiter, PROCESS);
        empty_self_pipe();
        CHECK(end_of(&waiter) == EINTR);

        begin(&waiter, poll_both, client);
        interrupt(&waiter, PROCESS);
        CHECK(end_of(&waiter) == 1);
        empty_self_pipe();
    }
}

int main(int count, char **arguments) {
    CHECK(count == FURTHER);
    CHECK(pipe(self_pipe) == 0);
    /* The threads of the client inherit this mask from the thread that connects. */
    block_signals(SIG_BLOCK);
    waits_go_on_until_they_are_ended(arguments);
    connecting_goes_on_until_it_is_ended();
    receiving_goes_on_after_disconnect(arguments);

    pusher_client *client = connected(arguments);
    long fastest = slices_end_by_a_flag(client);
    /* On a loaded machine some rounds may be slow, but not all. */
    for (int round = 1; round < 5; round++) {
        long took = slices_end_by_a_flag(client);
        if (took < fastest) fastest = took;
    }
    CHECK(fastest < 200);
    poll_ends(client);
    pusher_client_free(client);
    return 0;
}
