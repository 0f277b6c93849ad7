/*
 * One thread and no callback: a loop around poll(), which waits for a Pusher server and for lines from the keyboard.
 * Typed lines go to the other members of presence-kitchen.
 *
 *     cc -std=c99 -Isrc/capi examples/c/poll.c -o poll -Ltarget/release -lpusher_channels
 *     LD_LIBRARY_PATH=target/release cargo run --example playground -- ./poll
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pusher_channels.h>

/* The program ends with the first event after it is subscribed again to all three channels, and Ann has answered. */
struct session {
    pusher_client *client;
    int again, is_welcome;
    int exit_code; /* negative while the program goes on */
};

/* Tells why the last call has failed. Returns the exit code for that. */
static int complain(void)
{
    char reason[256] = "";
    pusher_last_error_text(reason, sizeof reason);
    fprintf(stderr, "%s\n", reason);
    return EXIT_FAILURE;
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

static void say_hello(pusher_client *client)
{
    static const char hello[] = "{\"says\": \"hello\"}";
    pusher_list *members;
    const char *id;
    if (pusher_members(client, "presence-kitchen", &members) == PUSHER_OK) {
        for (size_t i = 0; pusher_list_id(members, i, &id, NULL) == PUSHER_OK; i++) printf("  member %s\n", id);
        pusher_list_free(members);
    }
    if (pusher_trigger(client, "presence-kitchen", "client-hello", hello, sizeof hello - 1)) complain();
}

static void take(struct session *session, const pusher_notification *notification)
{
    const char *channel = text(pusher_notification_channel, notification);
    const char *name = text(pusher_notification_name, notification);
    const char *word = "something new";
    int32_t kind = 0, state = 0;
    uint64_t gap;
    pusher_notification_kind(notification, &kind);
    switch (kind) {
    case PUSHER_KIND_EVENT:
        printf("%s: %s %s\n", channel, name, text(pusher_notification_data, notification));
        if (strcmp(name, "client-welcome") == 0) session->is_welcome = 1;
        if (session->is_welcome && session->again == 3) session->exit_code = EXIT_SUCCESS;
        break;
    case PUSHER_KIND_SUBSCRIPTION_SUCCEEDED:
        if (pusher_notification_gap(notification, &gap) == PUSHER_OK) {
            printf("%s: subscribed again after %" PRIu64 " ms\n", channel, gap);
            session->again++;
        } else {
            printf("%s: subscribed\n", channel);
            if (strcmp(channel, "presence-kitchen") == 0) say_hello(session->client);
        }
        break;
    case PUSHER_KIND_SUBSCRIPTION_ERROR:
        fprintf(stderr, "cannot subscribe to %s: %s\n", channel, reason(notification));
        session->exit_code = EXIT_FAILURE;
        break;
    case PUSHER_KIND_CONNECTION_STATE_CHANGE:
        pusher_notification_state(notification, &state);
        pusher_state_name(state, &word);
        printf("connection: %s %s\n", word, reason(notification));
        if (state != PUSHER_STATE_FAILED) break; /* the client goes on by itself */
        fprintf(stderr, "the client has given up: %s\n", reason(notification));
        session->exit_code = EXIT_FAILURE;
        break;
    default: /* A member has come or left, or something went wrong. There may be more kinds one day. */
        pusher_kind_name(kind, &word);
        printf("%s: %s %s%s\n", channel, word, text(pusher_notification_user_id, notification), reason(notification));
    }
}

/* Sends what was typed. At the end of the input it stops waiting for more: poll() passes over descriptor -1. */
static void take_line(pusher_client *client, struct pollfd *input)
{
    char line[1024];
    ssize_t length = read(input->fd, line, sizeof line);
    if (length <= 0) {
        input->fd = -1;
    } else if (pusher_trigger_text(client, "presence-kitchen", "client-message", line, (size_t)length)) {
        complain();
    }
}

/* Returns the exit code. */
static int run(struct session *session)
{
    struct pollfd waits[] = {{.fd = -1, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    if (pusher_descriptor(session->client, &waits[0].fd)) return complain();
    while (session->exit_code < 0) {
        pusher_notification *notification;
        int32_t result;
        if (poll(waits, 2, -1) < 0) return perror("poll"), EXIT_FAILURE;
        if (waits[1].revents) take_line(session->client, &waits[1]);
        while ((result = pusher_next(session->client, 0, &notification)) == PUSHER_OK) {
            take(session, notification);
            pusher_notification_free(notification);
        }
        if (result != PUSHER_NOTHING) return complain();
    }
    return session->exit_code;
}

int main(void)
{
    struct session session = {.exit_code = -1};
    pusher_config *config = NULL;
    /* Every call returns 0 when it succeeds. A variable that is not set is NULL, which is an error like others. */
    int failed = pusher_config_new(&config) || pusher_config_set_bool(config, "tls", 0) ||
                 pusher_config_set(config, "host", getenv("PUSHER_HOST")) ||
                 pusher_config_set(config, "port", getenv("PUSHER_PORT")) ||
                 pusher_config_set(config, "key", getenv("PUSHER_KEY")) ||
                 pusher_config_set(config, "auth_endpoint", getenv("PUSHER_AUTH_ENDPOINT")) ||
                 pusher_config_add(config, "auth_param", "user_id", "demo") ||
                 pusher_client_new(config, &session.client) || pusher_connect(session.client) ||
                 pusher_subscribe(session.client, "news") || pusher_subscribe(session.client, "private-orders") ||
                 pusher_subscribe(session.client, "presence-kitchen");
    int exit_code = failed ? complain() : run(&session);
    pusher_client_free(session.client);
    pusher_config_free(config);
    return exit_code;
}
