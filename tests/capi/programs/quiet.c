/*
 * A program without callbacks: public, private and presence channels, events, client events, members, users, a dropped
 * connection, errors, and permissions that the program itself requests from a backend.
 *
 * The program has one thread. Each of its functions checks that it runs on this thread.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

/* The compiler inserts calls of these two functions at the beginning and the end of each function of this program. */
void __cyg_profile_func_enter(void *function, void *caller) __attribute__((no_instrument_function));
void __cyg_profile_func_exit(void *function, void *caller) __attribute__((no_instrument_function));

void __cyg_profile_func_enter(void *function, void *caller) {
    (void)function;
    (void)caller;
    if (syscall(SYS_gettid) != getpid()) abort();
}

void __cyg_profile_func_exit(void *function, void *caller) {
    (void)function;
    (void)caller;
}

static int is_of(const pusher_notification *notification, const char *channel) {
    const char *text;
    if (channel == NULL) return 1;
    OK(pusher_notification_channel(notification, &text, NULL));
    return strcmp(text, channel) == 0;
}

/* Waits on the descriptor for a notification of a kind and of a channel. The notifications before it are dropped. */
static pusher_notification *await(pusher_client *client, int32_t kind, const char *channel) {
    struct pollfd descriptor = {.events = POLLIN};
    OK(pusher_descriptor(client, &descriptor.fd));
    for (;;) {
        pusher_notification *notification;
        int32_t found;
        int32_t result = pusher_next(client, 0, &notification);
        if (result == PUSHER_NOTHING) {
            CHECK(poll(&descriptor, 1, PATIENCE_MS) == 1);
            continue;
        }
        CHECK(result == PUSHER_OK);
        OK(pusher_notification_kind(notification, &found));
        if (found == kind && is_of(notification, channel)) return notification;
        pusher_notification_free(notification);
    }
}

static void await_state(pusher_client *client, int32_t wanted) {
    for (;;) {
        int32_t state;
        pusher_notification *change = await(client, PUSHER_KIND_CONNECTION_STATE_CHANGE, NULL);
        OK(pusher_notification_state(change, &state));
        pusher_notification_free(change);
        if (state == wanted) return;
    }
}

/* Waits for the confirmation of a subscription. `wanted` is 1 if it renews an earlier subscription. */
static void await_subscribed(pusher_client *client, const char *channel, int32_t wanted) {
    int32_t resubscribed;
    uint64_t gap;
    pusher_notification *confirmation = await(client, PUSHER_KIND_SUBSCRIPTION_SUCCEEDED, channel);
    OK(pusher_notification_resubscribed(confirmation, &resubscribed));
    CHECK(resubscribed == wanted);
    GIVES(pusher_notification_gap(confirmation, &gap), wanted ? PUSHER_OK : PUSHER_NOTHING);
    pusher_notification_free(confirmation);
}

static void await_event(pusher_client *client, const char *channel, const char *name, const char *data,
                        const char *user_id) {
    const char *text;
    size_t length;
    pusher_notification *event = await(client, PUSHER_KIND_EVENT, channel);
    OK(pusher_notification_name(event, &text, NULL));
    CHECK(strcmp(text, name) == 0);
    OK(pusher_notification_data(event, &text, &length));
    CHECK(strcmp(text, data) == 0 && length == strlen(data));
    int32_t has_sender = pusher_notification_user_id(event, &text, NULL);
    CHECK(has_sender == (user_id == NULL ? PUSHER_NOTHING : PUSHER_OK));
    CHECK(user_id == NULL || strcmp(text, user_id) == 0);
    pusher_notification_free(event);
}

static void await_member(pusher_client *client, int32_t kind, const char *user_id) {
    const char *text;
    pusher_notification *member = await(client, kind, "presence-room");
    OK(pusher_notification_user_id(member, &text, NULL));
    CHECK(strcmp(text, user_id) == 0);
    OK(pusher_notification_user_info(member, &text, NULL));
    CHECK(strstr(text, "name") != NULL);
    pusher_notification_free(member);
}

static void await_refusal(pusher_client *client, const char *channel, int32_t wanted) {
    const pusher_error *error;
    int32_t result;
    pusher_notification *refusal = await(client, PUSHER_KIND_SUBSCRIPTION_ERROR, channel);
    OK(pusher_notification_error(refusal, &error));
    OK(pusher_error_result(error, &result));
    CHECK(result == wanted);
    pusher_notification_free(refusal);
}

static void ids_are(pusher_list *list, size_t count, const char *first) {
    const char *text;
    size_t length;
    OK(pusher_list_length(list, &length));
    CHECK(length == count);
    int found = 0;
    for (size_t i = 0; i < length; i++) {
        OK(pusher_list_id(list, i, &text, NULL));
        found |= strcmp(text, first) == 0;
    }
    CHECK(found);
    GIVES(pusher_list_id(list, length, &text, NULL), PUSHER_NOTHING);
    pusher_list_free(list);
}

static pusher_client *connected(pusher_config *config) {
    pusher_client *client;
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect_background(client));
    await_state(client, PUSHER_STATE_CONNECTED);
    return client;
}

/* A client that signs with the secret of the app. */
static pusher_client *user(char **arguments, const char *user_data) {
    pusher_config *config = config_of(arguments);
    OK(pusher_config_set(config, "secret", arguments[SECRET]));
    OK(pusher_config_set(config, "user_data", user_data));
    return connected(config);
}

/* Requests the signature for a channel from the backend, over HTTP. */
static void request_signature(char **arguments, const char *socket_id, const char *channel, char *auth, size_t size) {
    char body[200], request[600], response[4096];
    size_t length = 0;
    ssize_t part;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[PORT]))};
    CHECK(inet_pton(AF_INET, arguments[HOST], &address.sin_addr) == 1);
    int backend = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(backend >= 0 && connect(backend, (struct sockaddr *)&address, sizeof address) == 0);
    snprintf(body, sizeof body, "socket_id=%s&channel_name=%s", socket_id, channel);
    snprintf(request, sizeof request,
             "POST /pusher/auth HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/x-www-form-urlencoded\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
             arguments[HOST], arguments[PORT], strlen(body), body);
    CHECK(write(backend, request, strlen(request)) == (ssize_t)strlen(request));
    while ((part = read(backend, response + length, sizeof response - 1 - length)) > 0) length += (size_t)part;
    response[length] = '\0';
    close(backend);
    const char *start = strstr(response, "\"auth\":\"");
    CHECK(start != NULL);
    start += strlen("\"auth\":\"");
    CHECK(strcspn(start, "\"") < size);
    memcpy(auth, start, strcspn(start, "\""));
    auth[strcspn(start, "\"")] = '\0';
}

/* A renewed subscription has a gap, whether the program or the client renews it. */
static void subscribe_by_backend(pusher_client *client, char **arguments, int32_t again) {
    const char *socket_id;
    char auth[200];
    OK(pusher_socket_id(client, &socket_id, NULL));
    request_signature(arguments, socket_id, "private-room", auth, sizeof auth);
    OK(pusher_subscribe_with_auth(client, "private-room", auth, NULL, NULL));
    await_subscribed(client, "private-room", again);
}

static void calls_return_errors(pusher_client *client, char **arguments) {
    pusher_client *unconnected;
    pusher_list *list;
    const pusher_error *error;
    int32_t retryable;
    GIVES(pusher_subscribe(client, "not a name"), PUSHER_ERR_CHANNEL_NAME);
    GIVES(pusher_subscribe(client, "\xff"), PUSHER_ERR_UTF8);
    GIVES(pusher_trigger(client, "room", "client-e", "{}", 2), PUSHER_ERR_CLIENT_EVENT_CHANNEL);
    GIVES(pusher_trigger(client, "private-room", "e", "{}", 2), PUSHER_ERR_CLIENT_EVENT_NAME);
    GIVES(pusher_trigger(client, "private-room", "client-e", "{", 1), PUSHER_ERR_ENCODE);
    GIVES(pusher_members(NULL, "room", &list), PUSHER_ERR_NULL);
    pusher_config *config = config_of(arguments);
    GIVES(pusher_config_set(config, "no such option", ""), PUSHER_ERR_OPTION);
    /* No server listens on this port. */
    OK(pusher_config_set_int(config, "port", 1));
    OK(pusher_client_new(config, &unconnected));
    pusher_config_free(config);
    GIVES(pusher_connect(unconnected), PUSHER_ERR_TCP);
    OK(pusher_last_error(&error));
    OK(pusher_error_is_retryable(error, &retryable));
    CHECK(retryable == 1);
    pusher_client_free(unconnected);
    GIVES(pusher_connect(unconnected), PUSHER_ERR_HANDLE);
}

static void counters_count(pusher_client *client) {
    pusher_stats *stats;
    uint64_t connections, events;
    OK(pusher_stats_new(client, &stats));
    OK(pusher_stats_get(stats, "connections", &connections));
    OK(pusher_stats_get(stats, "events", &events));
    CHECK(connections == 2);
    CHECK(events > 0);
    pusher_stats_free(stats);
}

int main(int count, char **arguments) {
    pusher_list *list;
    uint64_t subscribers;
    CHECK(count == FURTHER);

    pusher_client *ann = user(arguments, "{\"id\": \"ann\", \"user_info\": {\"name\": \"Ann\"}}");
    OK(pusher_sign_in(ann));
    pusher_notification_free(await(ann, PUSHER_KIND_SIGNED_IN, NULL));
    OK(pusher_subscribe(ann, "room"));
    await_subscribed(ann, "room", 0);
    OK(pusher_subscribe(ann, "private-room"));
    await_subscribed(ann, "private-room", 0);
    OK(pusher_subscribe(ann, "presence-room"));
    await_subscribed(ann, "presence-room", 0);

    pusher_client *bob = user(arguments, "{\"id\": \"bob\", \"user_info\": {\"name\": \"Bob\"}}");
    OK(pusher_subscribe(bob, "presence-room"));
    await_subscribed(bob, "presence-room", 0);
    await_member(ann, PUSHER_KIND_MEMBER_ADDED, "bob");
    OK(pusher_members(ann, "presence-room", &list));
    ids_are(list, 2, "bob");
    OK(pusher_me(ann, "presence-room", &list));
    ids_are(list, 1, "ann");
    OK(pusher_channels(ann, &list));
    ids_are(list, 3, "room");

    /* A client without an authorizer. */
    pusher_client *carol = connected(config_of(arguments));
    OK(pusher_subscribe(carol, "private-room"));
    await_refusal(carol, "private-room", PUSHER_ERR_NO_AUTHORIZER);
    subscribe_by_backend(carol, arguments, 0);

    OK(pusher_trigger(ann, "private-room", "client-hello", "{\"n\":1}", 7));
    await_event(carol, "private-room", "client-hello", "{\"n\":1}", NULL);
    OK(pusher_trigger_text(ann, "presence-room", "client-hello", "hello", 5));
    await_event(bob, "presence-room", "client-hello", "hello", "ann");
    OK(pusher_trigger(ann, "private-room", "client-publish", "{}", 2));
    await_event(ann, "room", "news", "hello", NULL);
    OK(pusher_subscription_count(ann, "room", &subscribers));
    CHECK(subscribers == 1);

    calls_return_errors(ann, arguments);

    OK(pusher_trigger(ann, "private-room", "client-drop", "{}", 2));
    await_state(ann, PUSHER_STATE_CONNECTED);
    await_subscribed(ann, "presence-room", 1);
    await_state(carol, PUSHER_STATE_CONNECTED);
    await_refusal(carol, "private-room", PUSHER_ERR_NO_AUTHORIZER);
    subscribe_by_backend(carol, arguments, 1);
    OK(pusher_wait_subscribed(ann, "private-room", PATIENCE_MS));
    OK(pusher_trigger(ann, "private-room", "client-again", "[]", 2));
    await_event(carol, "private-room", "client-again", "[]", NULL);
    OK(pusher_wait_subscribed(bob, "presence-room", PATIENCE_MS));
    counters_count(ann);

    pusher_client_free(bob);
    OK(pusher_unsubscribe(ann, "room"));
    OK(pusher_disconnect(ann));
    await_state(ann, PUSHER_STATE_DISCONNECTED);
    pusher_client_free(ann);
    pusher_client_free(carol);
    return 0;
}
