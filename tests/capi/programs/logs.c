/* A log callback gets the lines up to its level until another callback replaces it. Its destructor runs once. */
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

struct log {
    atomic_int lines;
    atomic_int by_level[PUSHER_LOG_TRACE + 1];
    /* The number of lines with the data of an event. */
    atomic_int events;
    atomic_int destructions;
};

static void on_line(void *user_data, int32_t level, const char *target, const char *message) {
    struct log *log = user_data;
    pusher_config *config;
    CHECK(level >= PUSHER_LOG_ERROR && level <= PUSHER_LOG_TRACE);
    CHECK(target != NULL && message != NULL && strlen(message) > 0);
    CHECK(atomic_load(&log->destructions) == 0);
    atomic_fetch_add(&log->lines, 1);
    atomic_fetch_add(&log->by_level[level], 1);
    if (strstr(message, "canary") != NULL) {
        CHECK(level == PUSHER_LOG_DEBUG);
        atomic_fetch_add(&log->events, 1);
    }
    /* A log callback may call functions. Their log records are dropped, because logging them would never end. */
    OK(pusher_config_new(&config));
    GIVES(pusher_client_new(config, &(pusher_client *){NULL}), PUSHER_ERR_CONFIG);
    pusher_config_free(config);
}

static void destroyed(void *user_data) { atomic_fetch_add(&((struct log *)user_data)->destructions, 1); }

/* Connects, subscribes, disconnects, and fails to connect. Each step logs lines. */
static void log_lines(char **arguments) {
    pusher_client *client;
    pusher_config *config = config_of(arguments);
    OK(pusher_client_new(config, &client));
    OK(pusher_connect(client));
    OK(pusher_subscribe(client, "room"));
    OK(pusher_wait_subscribed(client, "room", PATIENCE_MS));
    OK(pusher_disconnect(client));
    pusher_client_free(client);
    /* No server listens on this port. */
    OK(pusher_config_set_int(config, "port", 1));
    OK(pusher_client_new(config, &client));
    GIVES(pusher_connect(client), PUSHER_ERR_TCP);
    pusher_client_free(client);
    pusher_config_free(config);
}

/* Sends a client event. Its data is logged only if the option is set. */
static void send_an_event(char **arguments, int32_t log_events) {
    static const char data[] = "canary";
    pusher_client *client;
    pusher_config *config = config_of(arguments);
    OK(pusher_config_set(config, "secret", arguments[SECRET]));
    OK(pusher_config_set_bool(config, "log_events", log_events));
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect(client));
    OK(pusher_subscribe(client, "private-room"));
    OK(pusher_wait_subscribed(client, "private-room", PATIENCE_MS));
    OK(pusher_trigger_text(client, "private-room", "client-hello", data, strlen(data)));
    OK(pusher_disconnect(client));
    pusher_client_free(client);
}

static void wait_until_destroyed(struct log *log) {
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(&log->destructions) == 0) {
        CHECK(time(NULL) < end);
        sched_yield();
    }
    CHECK(atomic_load(&log->destructions) == 1);
}

int main(int count, char **arguments) {
    static struct log all, some, none;
    CHECK(count == FURTHER);

    OK(pusher_log(PUSHER_LOG_TRACE, on_line, &all, destroyed));
    log_lines(arguments);
    CHECK(atomic_load(&all.by_level[PUSHER_LOG_WARN]) > 0);
    CHECK(atomic_load(&all.by_level[PUSHER_LOG_INFO]) > 0);
    CHECK(atomic_load(&all.by_level[PUSHER_LOG_DEBUG]) > 0);
    CHECK(atomic_load(&all.destructions) == 0);
    send_an_event(arguments, 0);
    CHECK(atomic_load(&all.events) == 0);
    send_an_event(arguments, 1);
    CHECK(atomic_load(&all.events) == 1);

    OK(pusher_log(PUSHER_LOG_INFO, on_line, &some, destroyed));
    wait_until_destroyed(&all);
    int lines_of_the_first = atomic_load(&all.lines);
    log_lines(arguments);
    CHECK(atomic_load(&some.by_level[PUSHER_LOG_WARN]) > 0);
    CHECK(atomic_load(&some.by_level[PUSHER_LOG_INFO]) > 0);
    CHECK(atomic_load(&some.by_level[PUSHER_LOG_DEBUG]) == 0);
    CHECK(atomic_load(&some.by_level[PUSHER_LOG_TRACE]) == 0);
    CHECK(atomic_load(&all.lines) == lines_of_the_first);

    /* A refused callback is destroyed, and the callback before it stays registered. */
    GIVES(pusher_log(99, on_line, &none, destroyed), PUSHER_ERR_VALUE);
    CHECK(atomic_load(&none.destructions) == 1);
    CHECK(atomic_load(&some.destructions) == 0);
    int lines_so_far = atomic_load(&some.lines);
    log_lines(arguments);
    CHECK(atomic_load(&some.lines) > lines_so_far);

    OK(pusher_log(PUSHER_LOG_OFF, NULL, NULL, NULL));
    wait_until_destroyed(&some);
    lines_so_far = atomic_load(&some.lines);
    log_lines(arguments);
    CHECK(atomic_load(&some.lines) == lines_so_far);
    CHECK(atomic_load(&none.lines) == 0);
    CHECK(atomic_load(&all.destructions) == 1 && atomic_load(&none.destructions) == 1);
    return 0;
}
