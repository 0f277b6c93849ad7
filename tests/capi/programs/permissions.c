/*
 * A program that is its own backend: it signs permissions, and passes them to the client as the JSON that a backend
 * answers. The program also tests waits for all channels, receivers of single events, callbacks that are unbound by
 * their names, and texts for people.
 */
#include "check.h"

static const char *DATA = "{\"user_id\": \"ann\", \"user_info\": {\"name\": \"canary\"}}";
static const char *USER = "{\"id\": \"ann\", \"user_info\": {\"name\": \"canary\"}}";

/* These signatures are examples from the documentation of the protocol. */
static void signatures_are_the_documented_ones(void) {
    const char *key = "278d425bdf160c739803", *secret = "7ad3773142a6692b25b8", *text, *again;
    size_t length;
    OK(pusher_sign_channel(key, secret, "1234.1234", "private-foobar", NULL, NULL, &text, &length));
    CHECK(strcmp(text, "{\"auth\":\"278d425bdf160c739803:"
                       "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4\"}") == 0);
    CHECK(length == strlen(text));
    OK(pusher_sign_user(key, secret, "1234.1234", "{\"id\":\"12345\"}", &again, NULL));
    CHECK(strcmp(again, "{\"auth\":\"278d425bdf160c739803:"
                        "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba\","
                        "\"user_data\":\"{\\\"id\\\":\\\"12345\\\"}\"}") == 0);
    /* The text of one function stays when another function returns its text. */
    CHECK(strncmp(text, "{\"auth\":", 8) == 0);
    OK(pusher_sign_channel(key, secret, "1.1", "private-encrypted-a", NULL, "BwcH", &text, NULL));
    CHECK(strstr(text, "\"shared_secret\":\"BwcH\"") != NULL);
}

static void expect_last_error(const char *wanted, const char *not_wanted) {
    char text[500] = "";
    pusher_last_error_text(text, sizeof text);
    CHECK(strstr(text, wanted) != NULL);
    CHECK(strstr(text, not_wanted) == NULL);
}

static pusher_client *client_of(pusher_config *config) {
    pusher_client *client;
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect(client));
    return client;
}

/* The program has no authorizer. It signs the socket id of the current connection. */
static void a_polling_program_gives_answers(char **arguments) {
    const char *json, *id, *socket_id;
    size_t length;
    pusher_list *me;
    pusher_client *client = client_of(config_of(arguments));
    OK(pusher_socket_id(client, &socket_id, NULL));

    GIVES(pusher_subscribe_with_auth_json(client, "private-room", "{\"auth\": \"canary\"", 17), PUSHER_ERR_AUTH_MALFORMED);
    expect_last_error("is not JSON", "canary");
    OK(pusher_sign_channel(arguments[KEY], arguments[SECRET], socket_id, "private-room", NULL, NULL, &json, &length));
    OK(pusher_subscribe_with_auth_json(client, "private-room", json, length));
    OK(pusher_wait_subscribed(client, "private-room", PATIENCE_MS));

    /* The length ends the text, because the body that an HTTP library has received has no NUL at its end. */
    char received[500];
    OK(pusher_sign_channel(arguments[KEY], arguments[SECRET], socket_id, "presence-room", DATA, NULL, &json, &length));
    CHECK(length + 1 < sizeof received);
    memcpy(received, json, length);
    received[length] = '}';
    OK(pusher_subscribe_with_auth_json(client, "presence-room", received, length));
    OK(pusher_wait_all_subscribed(client, PATIENCE_MS));
    OK(pusher_me(client, "presence-room", &me));
    OK(pusher_list_id(me, 0, &id, NULL));
    CHECK(strcmp(id, "ann") == 0);
    pusher_list_free(me);

    GIVES(pusher_sign_in_with_auth_json(client, "{\"auth\": \"canary\"}", 18), PUSHER_ERR_AUTH_MALFORMED);
    expect_last_error("`user_data`", "canary");
    OK(pusher_sign_user(arguments[KEY], arguments[SECRET], socket_id, USER, &json, &length));
    OK(pusher_sign_in_with_auth_json(client, json, length));
    OK(pusher_wait_signed_in(client, PATIENCE_MS));

    OK(pusher_subscribe_with_auth(client, "private-refused", "app-key:wrong", NULL, NULL));
    GIVES(pusher_wait_all_subscribed(client, PATIENCE_MS), PUSHER_ERR_SUBSCRIPTION_REFUSED);
    expect_last_error("private-refused", "canary");
    pusher_client_free(client);
}

static void grant(void *user_data, pusher_auth_request *request) {
    char **arguments = user_data;
    const char *channel = NULL, *socket_id, *json;
    size_t length;
    OK(pusher_auth_request_socket_id(request, &socket_id, NULL));
    if (pusher_auth_request_channel(request, &channel, NULL) == PUSHER_OK) {
        OK(pusher_sign_channel(arguments[KEY], arguments[SECRET], socket_id, channel, NULL, NULL, &json, &length));
    } else {
        OK(pusher_sign_user(arguments[KEY], arguments[SECRET], socket_id, USER, &json, &length));
    }
    /* A malformed answer is refused, and the request stays unanswered. */
    GIVES(pusher_auth_request_grant_json(request, "{\"canary\": 1}", 13), PUSHER_ERR_AUTH_MALFORMED);
    expect_last_error("`auth`", "canary");
    OK(pusher_auth_request_grant_json(request, json, length));
    GIVES(pusher_auth_request_grant_json(request, json, length), PUSHER_ERR_HANDLE);
}

static void a_request_is_granted_by_an_answer(char **arguments) {
    pusher_config *config = config_of(arguments);
    OK(pusher_config_authorizer(config, grant, arguments, NULL));
    OK(pusher_config_user_authenticator(config, grant, arguments, NULL));
    pusher_client *client = client_of(config);
    OK(pusher_subscribe(client, "private-room"));
    OK(pusher_wait_subscribed(client, "private-room", PATIENCE_MS));
    OK(pusher_sign_in(client));
    OK(pusher_wait_signed_in(client, PATIENCE_MS));
    pusher_client_free(client);
}

/* A client that is subscribed to the private channel, and signs with the secret of the app. */
static pusher_client *member(char **arguments, int dispatches) {
    pusher_config *config = config_of(arguments);
    OK(pusher_config_set(config, "secret", arguments[SECRET]));
    OK(pusher_config_set_bool(config, "manual_dispatch", dispatches));
    OK(pusher_config_set_int(config, "unavailable_timeout_ms", 5000));
    OK(pusher_config_set_int(config, "activity_timeout_override_ms", 5000));
    pusher_client *client = client_of(config);
    OK(pusher_subscribe(client, "private-room"));
    OK(pusher_wait_all_subscribed(client, PATIENCE_MS));
    return client;
}

static void send(pusher_client *client, const char *event) {
    OK(pusher_trigger_text(client, "private-room", event, "canary", 6));
}

static int is_called(const pusher_notification *notification, const char *name) {
    const char *text;
    OK(pusher_notification_name(notification, &text, NULL));
    return strcmp(text, name) == 0;
}

static void a_receiver_gets_the_events_that_it_names(char **arguments) {
    pusher_receiver *receiver;
    pusher_receiver_options *options;
    pusher_notification *notification;
    const char *wanted[] = {"client-a", "client-b"};
    pusher_client *sender = member(arguments, 0);
    pusher_client *client = member(arguments, 0);
    OK(pusher_receiver_options_new(&options));
    OK(pusher_receiver_options_set(options, "only", "event"));
    OK(pusher_receiver_options_set(options, "events", "client-a"));
    OK(pusher_receiver_options_set(options, "events", "client-b"));
    OK(pusher_receiver_new(client, options, &receiver));
    pusher_receiver_options_free(options);
    send(sender, "client-other");
    send(sender, "client-a");
    send(sender, "client-other");
    send(sender, "client-b");
    for (int i = 0; i < 2; i++) {
        OK(pusher_receiver_next(receiver, PATIENCE_MS, &notification));
        CHECK(is_called(notification, wanted[i]));
        pusher_notification_free(notification);
    }
    pusher_receiver_free(receiver);
    pusher_client_free(client);
    pusher_client_free(sender);
}

static void count_call(void *user_data, const pusher_notification *notification) {
    if (notification != NULL) ++*(int *)user_data;
}

static void count_destruction(void *user_data) { ++*(int *)user_data; }

/* In each round one event is sent, and the calls of four callbacks are counted. Then some of them are unbound. */
static void callbacks_are_unbound_by_their_names(char **arguments) {
    enum { CLIENT, CLIENT_ALL, CHANNEL, CHANNEL_ON, CALLBACKS };
    int calls[CALLBACKS] = {0}, destroyed = 0;
    pusher_client *sender = member(arguments, 0);
    pusher_client *client = member(arguments, 1);
    pusher_binding *binding;
    OK(pusher_bind(client, NULL, "client-a", count_call, &calls[CLIENT], NULL, NULL));
    OK(pusher_bind(client, NULL, NULL, count_call, &calls[CLIENT_ALL], NULL, NULL));
    OK(pusher_bind(client, "private-room", "client-a", count_call, &calls[CHANNEL], NULL, &binding));
    OK(pusher_on(client, PUSHER_KIND_EVENT, "private-room", count_call, &calls[CHANNEL_ON], NULL, NULL));
    OK(pusher_bind_user(client, "news", count_call, &destroyed, count_destruction, NULL));
    OK(pusher_bind_user(client, NULL, count_call, &destroyed, count_destruction, NULL));

    /* Callbacks of another channel stay bound. */
    OK(pusher_unbind_event(client, "private-other", "client-a"));
    OK(pusher_unbind_all(client, "private-other"));
    for (int round = 0; round < 5; round++) {
        int before[CALLBACKS];
        memcpy(before, calls, sizeof calls);
        send(sender, "client-a");
        pusher_notification_free(next_of(client, PUSHER_KIND_EVENT));
        OK(pusher_dispatch(client, NULL));
        CHECK(calls[CLIENT] - before[CLIENT] == (round < 1));
        CHECK((calls[CLIENT_ALL] > before[CLIENT_ALL]) == (round < 4));
        CHECK(calls[CHANNEL] - before[CHANNEL] == (round < 2));
        CHECK(calls[CHANNEL_ON] - before[CHANNEL_ON] == (round < 3));
        if (round == 0) OK(pusher_unbind_event(client, NULL, "client-a"));
        if (round == 1) OK(pusher_unbind_event(client, "private-room", "client-a"));
        if (round == 2) OK(pusher_unbind_all(client, "private-room"));
        if (round == 3) OK(pusher_unbind_all(client, NULL));
    }
    /* The handle of an unbound callback stays valid. */
    OK(pusher_unbind(binding));
    CHECK(destroyed == 0);
    OK(pusher_unbind_user_event(client, "news"));
    OK(pusher_dispatch(client, NULL));
    CHECK(destroyed == 1);
    OK(pusher_unbind_user_all(client));
    OK(pusher_dispatch(client, NULL));
    CHECK(destroyed == 2);
    pusher_client_free(client);
    pusher_client_free(sender);
}

static void expect_text(const pusher_notification *notification, const char *wanted) {
    const char *text;
    size_t length;
    OK(pusher_notification_text(notification, &text, &length));
    CHECK(strcmp(text, wanted) == 0);
    CHECK(length == strlen(wanted));
}

static void there_are_texts_for_people(char **arguments) {
    const char *text;
    size_t length;
    char wanted[100];
    pusher_stats *stats;
    pusher_notification *notification;
    pusher_config *config = config_of(arguments);
    OK(pusher_config_set_bool(config, "metadata", 0));
    OK(pusher_config_dial_url(config, &text, &length));
    snprintf(wanted, sizeof wanted, "ws://%s:%s/app/%s", arguments[HOST], arguments[PORT], arguments[KEY]);
    CHECK(strcmp(text, wanted) == 0 && length == strlen(wanted));
    pusher_config_free(config);
    OK(pusher_config_new(&config));
    GIVES(pusher_config_dial_url(config, &text, &length), PUSHER_ERR_CONFIG);
    pusher_config_free(config);

    pusher_client *sender = member(arguments, 0);
    pusher_client *client = member(arguments, 0);
    notification = next_of(client, PUSHER_KIND_SUBSCRIPTION_SUCCEEDED);
    expect_text(notification, "private-room: subscribed");
    pusher_notification_free(notification);
    send(sender, "client-a");
    notification = next_of(client, PUSHER_KIND_EVENT);
    expect_text(notification, "private-room: client-a (6 bytes)");
    pusher_notification_free(notification);
    /* The text of the notification is the text of its error. */
    OK(pusher_subscribe_with_auth(client, "private-refused", "app-key:wrong", NULL, NULL));
    notification = next_of(client, PUSHER_KIND_SUBSCRIPTION_ERROR);
    const pusher_error *error;
    OK(pusher_notification_error(notification, &error));
    OK(pusher_error_text(error, &text, NULL));
    expect_text(notification, text);
    pusher_notification_free(notification);

    OK(pusher_stats_new(client, &stats));
    OK(pusher_stats_text(stats, &text, &length));
    CHECK(strstr(text, "1 connections of 1 attempts") != NULL && length == strlen(text));
    pusher_stats_free(stats);
    pusher_client_free(client);
    pusher_client_free(sender);
}

int main(int count, char **arguments) {
    CHECK(count == FURTHER);
    signatures_are_the_documented_ones();
    a_polling_program_gives_answers(arguments);
    a_request_is_granted_by_an_answer(arguments);
    a_receiver_gets_the_events_that_it_names(arguments);
    callbacks_are_unbound_by_their_names(arguments);
    there_are_texts_for_people(arguments);
    return 0;
}
