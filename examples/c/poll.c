/*
 * One thread and no callback: a loop around poll(), which waits for a Pusher server and for lines from the keyboard.
 * What is typed goes to the other members of presence-kitchen.
 *
 *     cc -std=c99 -Isrc/capi examples/c/poll.c -o poll -Ltarget/release -lpusher_channels
 *     LD_LIBRARY_PATH=target/release cargo run --example playground -- ./poll
 */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pusher_channels.h>

static const char *const CHANNELS[] = {"news", "private-orders", "presence-kitchen"};
enum { NEWS = 1, ORDERS = 2, KITCHEN = 4, ALL = 7 };

/* The program ends when it has seen all of this. The channels are bits. */
struct seen { int events, again, welcome, event_after; };

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

static const char *reason(const pusher_notification *notification)
{
    const pusher_error *error;
    const char *text = "";
    if (pusher_notification_error(notification, &error) == PUSHER_OK) pusher_error_text(error, &text, NULL);
    return text;
}

static void show_members(pusher_client *client)
{
    pusher_list *members;
    const char *id, *info;
    if (fails("pusher_members", pusher_members(client, "presence-kitchen", &members))) return;
    for (size_t i = 0; pusher_list_id(members, i, &id, NULL) == PUSHER_OK; i++) {
        if (pusher_list_info(members, i, &info, NULL) == PUSHER_OK) printf("  member %s %s\n", id, info);
    }
    pusher_list_free(members);
}

static void take_subscription(pusher_client *client, struct seen *seen, int channel, const pusher_notification *success)
{
    static const char hello[] = "{\"says\": \"hello\"}";
    uint64_t gap;
    if (pusher_notification_gap(success, &gap) == PUSHER_OK) {
        printf("subscribed again, %lu ms were missed\n", (unsigned long)gap);
        seen->again |= channel;
        return;
    }
    puts("subscribed");
    if (channel != KITCHEN) return;
    show_members(client);
    fails("pusher_trigger", pusher_trigger(client, "presence-kitchen", "client-hello", hello, sizeof hello - 1));
}

static void take(pusher_client *client, struct seen *seen, const pusher_notification *notification)
{
    static const char *const STATES[] = {"disconnected", "connecting",    "connected", "unavailable",
                                         "reconnecting", "disconnecting", "failed"};
    int32_t kind = 0, state = 0;
    int channel = 0;
    const char *where = text(pusher_notification_channel, notification);
    const char *name = text(pusher_notification_name, notification);
    for (int i = 0; i < 3; i++) channel |= (strcmp(where, CHANNELS[i]) == 0) << i;
    pusher_notification_kind(notification, &kind);
    printf("%s: ", *where ? where : "connection");
    switch (kind) {
    case PUSHER_KIND_EVENT:
        printf("%s %s\n", name, text(pusher_notification_data, notification));
        seen->events |= channel;
        seen->welcome |= strcmp(name, "client-welcome") == 0;
        seen->event_after |= seen->again == ALL;
        break;
    case PUSHER_KIND_SUBSCRIPTION_SUCCEEDED:
        take_subscription(client, seen, channel, notification);
        break;
    case PUSHER_KIND_CONNECTION_STATE_CHANGE:
        pusher_notification_state(notification, &state);
        printf("%s %s\n", state <= PUSHER_STATE_FAILED ? STATES[state] : "?", reason(notification));
        break;
    case PUSHER_KIND_MEMBER_ADDED:
    case PUSHER_KIND_MEMBER_REMOVED:
        printf("%s %s\n", text(pusher_notification_user_id, notification),
               kind == PUSHER_KIND_MEMBER_ADDED ? "comes" : "goes");
        break;
    default: /* Errors have a reason. There may be more kinds one day. */
        printf("notification %d %s\n", (int)kind, reason(notification));
    }
}

/* Sends what was typed. At the end of the input it stops waiting for more: poll() passes over descriptor -1. */
static void take_line(pusher_client *client, struct pollfd *input)
{
    char line[1024];
    ssize_t length = read(input->fd, line, sizeof line);
    if (length <= 0) {
        input->fd = -1;
    } else {
        fails("pusher_trigger_text",
              pusher_trigger_text(client, "presence-kitchen", "client-message", line, (size_t)length));
    }
}

static int run(pusher_client *client)
{
    struct seen seen = {0, 0, 0, 0};
    struct pollfd waits[] = {{.fd = -1, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    if (fails("pusher_descriptor", pusher_descriptor(client, &waits[0].fd))) return 0;
    while (seen.events != ALL || !seen.welcome || !seen.event_after) {
        pusher_notification *notification;
        int32_t result;
        if (poll(waits, 2, -1) < 0) return perror("poll"), 0;
        if (waits[1].revents) take_line(client, &waits[1]);
        while ((result = pusher_next(client, 0, &notification)) == PUSHER_OK) {
            take(client, &seen, notification);
            pusher_notification_free(notification);
        }
        if (result != PUSHER_NOTHING) return !fails("pusher_next", result);
    }
    return 1;
}

static int begin(pusher_config *config, pusher_client **client)
{
    static const char *const OPTIONS[][2] = {{"host", "PUSHER_HOST"}, {"port", "PUSHER_PORT"}, {"key", "PUSHER_KEY"},
                                             {"auth_endpoint", "PUSHER_AUTH_ENDPOINT"}};
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        if (fails(OPTIONS[i][1], pusher_config_set(config, OPTIONS[i][0], getenv(OPTIONS[i][1])))) return 0;
    }
    if (fails("tls", pusher_config_set_bool(config, "tls", 0)) ||
        fails("auth_param", pusher_config_add(config, "auth_param", "user_id", "demo")) ||
        fails("pusher_client_new", pusher_client_new(config, client)) ||
        fails("pusher_connect", pusher_connect(*client))) return 0;
    for (int i = 0; i < 3; i++) {
        if (fails(CHANNELS[i], pusher_subscribe(*client, CHANNELS[i]))) return 0;
    }
    return 1;
}

int main(void)
{
    pusher_config *config = NULL;
    pusher_client *client = NULL;
    int is_complete = !fails("pusher_config_new", pusher_config_new(&config)) && begin(config, &client) && run(client);
    pusher_client_free(client);
    pusher_config_free(config);
    return is_complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
