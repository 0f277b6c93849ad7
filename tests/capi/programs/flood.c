/*
 * Frees clients while events arrive at full speed, in one of these ways: `elsewhere`, by the main thread while
 * callbacks run; `inside` a callback; `pulled`, while another thread waits for notifications; `dispatched`, inside a
 * callback that runs on the main thread. Each registration gets memory of its own, which its destructor frees.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* The number of events after which the client is freed, while others still arrive. */
enum { ENOUGH = 20 };

enum way { ELSEWHERE, INSIDE, PULLED, DISPATCHED };

struct round {
    enum way way;
    _Atomic(pusher_client *) client;
    atomic_int events;
    _Atomic(pusher_binding *) unbinds_itself;
};

struct registration {
    struct round *round;
};

static int registrations;
static atomic_int destructions;
static atomic_int lines;
static atomic_int wakes;

static void *registered(struct round *round) {
    struct registration *registration = malloc(sizeof *registration);
    CHECK(registration != NULL);
    registration->round = round;
    registrations++;
    return registration;
}

static void destroyed(void *user_data) {
    free(user_data);
    atomic_fetch_add(&destructions, 1);
}

static void on_event(void *user_data, const pusher_notification *notification) {
    struct registration *registration = user_data;
    struct round *round = registration->round;
    const char *data;
    pusher_notification *copy;
    OK(pusher_notification_data(notification, &data, NULL));
    CHECK(strcmp(data, "data") == 0);
    OK(pusher_notification_clone(notification, &copy));
    int events = atomic_fetch_add(&round->events, 1) + 1;
    if (events == ENOUGH && (round->way == INSIDE || round->way == DISPATCHED)) {
        pusher_client_free(atomic_load(&round->client));
        /* The user_data of a callback exists until the callback returns. */
        CHECK(registration->round == round);
    }
    OK(pusher_notification_data(copy, &data, NULL));
    CHECK(strcmp(data, "data") == 0);
    pusher_notification_free(copy);
}

/* A callback that unbinds itself when it knows its binding. */
static void unbinds_itself(void *user_data, const pusher_notification *notification) {
    struct registration *registration = user_data;
    pusher_binding *binding = atomic_exchange(&registration->round->unbinds_itself, NULL);
    (void)notification;
    /* The client may be freed already. Its bindings are then freed, too. */
    if (binding != NULL) {
        int32_t result = pusher_unbind(binding);
        CHECK(result == PUSHER_OK || result == PUSHER_ERR_HANDLE);
    }
    CHECK(registration->round != NULL);
}

static void on_any(void *user_data, const pusher_notification *notification) {
    int32_t kind;
    CHECK(((struct registration *)user_data)->round != NULL);
    OK(pusher_notification_kind(notification, &kind));
}

static void on_wake(void *user_data) {
    CHECK(((struct registration *)user_data)->round != NULL);
    atomic_fetch_add(&wakes, 1);
}

static void on_log(void *user_data, int32_t level, const char *target, const char *message) {
    CHECK(((struct registration *)user_data)->round == NULL);
    CHECK(level >= PUSHER_LOG_ERROR && target != NULL && message != NULL);
    atomic_fetch_add(&lines, 1);
}

static void refuse(void *user_data, pusher_auth_request *request) {
    CHECK(((struct registration *)user_data)->round != NULL);
    OK(pusher_auth_request_refuse(request, "nobody may", 403));
}

static void refuse_all(void *user_data, pusher_auth_request *const *requests, size_t count) {
    for (size_t i = 0; i < count; i++) refuse(user_data, requests[i]);
}

static void add_pair(void *user_data, pusher_pairs *pairs) {
    CHECK(((struct registration *)user_data)->round != NULL);
    OK(pusher_pairs_add(pairs, "X-Name", "value"));
}

static int32_t decode(void *user_data, const char *data, size_t length, pusher_text *text) {
    CHECK(((struct registration *)user_data)->round != NULL);
    OK(pusher_text_set(text, data, length));
    return 0;
}

static int32_t dial(void *user_data, const char *host, uint16_t port, int32_t timeout_ms, intptr_t *descriptor) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    CHECK(((struct registration *)user_data)->round != NULL);
    CHECK(timeout_ms > 0);
    CHECK(inet_pton(AF_INET, host, &address.sin_addr) == 1);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0) return 1;
    if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0) {
        close(connection);
        return 1;
    }
    *descriptor = connection;
    return 0;
}

/* Every callback that a config takes. One is set twice, so that the second replaces the first. */
static pusher_config *config_with_callbacks(struct round *round, char **arguments) {
    pusher_config *config = config_of(arguments);
    OK(pusher_config_authorizer(config, refuse, registered(round), destroyed));
    OK(pusher_config_authorizer(config, refuse, registered(round), destroyed));
    OK(pusher_config_batch_authorizer(config, refuse_all, registered(round), destroyed));
    OK(pusher_config_user_authenticator(config, refuse, registered(round), destroyed));
    OK(pusher_config_auth_headers(config, add_pair, registered(round), destroyed));
    OK(pusher_config_auth_params(config, add_pair, registered(round), destroyed));
    OK(pusher_config_encrypted_data_decoder(config, decode, registered(round), destroyed));
    OK(pusher_config_dialer(config, dial, registered(round), destroyed));
    OK(pusher_config_set_bool(config, "manual_dispatch", round->way == DISPATCHED));
    return config;
}

static void bind_callbacks(struct round *round, pusher_client *client) {
    pusher_binding *binding;
    /* These registrations fail. Their user_data is destroyed nevertheless. */
    GIVES(pusher_on(client, 99, NULL, on_any, registered(round), destroyed, NULL), PUSHER_ERR_VALUE);
    GIVES(pusher_bind(client, "\xff", "e", on_any, registered(round), destroyed, NULL), PUSHER_ERR_UTF8);
    GIVES(pusher_bind(client, NULL, "e", NULL, registered(round), destroyed, NULL), PUSHER_ERR_NULL);
    GIVES(pusher_bind_user(client, "\xff", on_any, registered(round), destroyed, NULL), PUSHER_ERR_UTF8);

    OK(pusher_bind(client, NULL, "e", on_any, registered(round), destroyed, &binding));
    OK(pusher_unbind(binding));
    OK(pusher_bind(client, NULL, NULL, on_any, registered(round), destroyed, &binding));
    pusher_binding_free(binding);
    OK(pusher_bind(client, "flood", "e", unbinds_itself, registered(round), destroyed, &binding));
    atomic_store(&round->unbinds_itself, binding);
    OK(pusher_bind_user(client, NULL, on_any, registered(round), destroyed, NULL));
    for (int32_t kind = PUSHER_KIND_EVENT; kind <= PUSHER_KIND_ERROR; kind++) {
        OK(pusher_on(client, kind, NULL, on_any, registered(round), destroyed, NULL));
    }
    OK(pusher_bind(client, "flood", "e", on_event, registered(round), destroyed, NULL));
}

static pusher_receiver *receiver_with_wake(struct round *round, pusher_client *client) {
    pusher_receiver_options *options;
    pusher_receiver *receiver;
    OK(pusher_receiver_options_new(&options));
    GIVES(pusher_receiver_options_wake(options, NULL, registered(round), destroyed), PUSHER_ERR_NULL);
    OK(pusher_receiver_options_wake(options, on_wake, registered(round), destroyed));
    OK(pusher_receiver_options_wake(options, on_wake, registered(round), destroyed));
    OK(pusher_receiver_new(client, options, &receiver));
    pusher_receiver_options_free(options);
    return receiver;
}

static void *pull(void *argument) {
    struct round *round = argument;
    pusher_notification *notification;
    int32_t result;
    while ((result = pusher_next(atomic_load(&round->client), -1, &notification)) == PUSHER_OK) {
        const char *data;
        if (pusher_notification_data(notification, &data, NULL) == PUSHER_OK) atomic_fetch_add(&round->events, 1);
        pusher_notification_free(notification);
    }
    CHECK(result == PUSHER_CLOSED || result == PUSHER_ERR_HANDLE);
    return NULL;
}

static void wait_for_events(struct round *round) {
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(&round->events) < ENOUGH) {
        CHECK(time(NULL) < end);
        if (round->way == DISPATCHED) pusher_dispatch(atomic_load(&round->client), NULL);
        sched_yield();
    }
}

/* Waits until all but `left` registrations are destroyed. The log callback stays registered for all rounds. */
static void wait_for_destructions(int left) {
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(&destructions) < registrations - left) {
        if (time(NULL) >= end) fprintf(stderr, "%d of %d\n", atomic_load(&destructions), registrations);
        CHECK(time(NULL) < end);
        sched_yield();
    }
    CHECK(atomic_load(&destructions) == registrations - left);
}

static void play(enum way way, char **arguments) {
    struct round round = {.way = way};
    pusher_client *client;
    pthread_t puller;
    pusher_config *config = config_with_callbacks(&round, arguments);
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    atomic_store(&round.client, client);
    if (way != PULLED) bind_callbacks(&round, client);
    pusher_receiver *receiver = receiver_with_wake(&round, client);
    OK(pusher_connect(client));
    OK(pusher_subscribe(client, "private-refused"));
    /* The last call for which the client surely exists. */
    OK(pusher_subscribe(client, "flood"));
    if (way == PULLED) CHECK(pthread_create(&puller, NULL, pull, &round) == 0);
    wait_for_events(&round);
    pusher_client_free(client);
    if (way == PULLED) CHECK(pthread_join(puller, NULL) == 0);
    pusher_receiver_free(receiver);
    pusher_binding_free(atomic_exchange(&round.unbinds_itself, NULL));
    wait_for_destructions(1);
}

static enum way way_of(const char *name) {
    const char *names[] = {"elsewhere", "inside", "pulled", "dispatched"};
    for (int way = ELSEWHERE; way <= DISPATCHED; way++) {
        if (strcmp(names[way], name) == 0) return way;
    }
    CHECK(!"a known way");
    return ELSEWHERE;
}

int main(int count, char **arguments) {
    CHECK(count == FURTHER + 2);
    OK(pusher_log(PUSHER_LOG_TRACE, on_log, registered(NULL), destroyed));
    GIVES(pusher_log(99, on_log, registered(NULL), destroyed), PUSHER_ERR_VALUE);
    for (int rounds = atoi(arguments[FURTHER + 1]); rounds > 0; rounds--) play(way_of(arguments[FURTHER]), arguments);
    CHECK(atomic_load(&lines) > 0);
    CHECK(atomic_load(&wakes) > 0);
    OK(pusher_log(PUSHER_LOG_OFF, NULL, NULL, NULL));
    wait_for_destructions(0);
    return 0;
}
