/* Data that contains a NUL goes from one client to another. No function reads more bytes than its length argument. */
#include "check.h"

static pusher_client *member(char **arguments) {
    pusher_client *client;
    pusher_config *config = config_of(arguments);
    OK(pusher_config_set(config, "secret", arguments[SECRET]));
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect(client));
    OK(pusher_subscribe(client, "private-room"));
    OK(pusher_wait_subscribed(client, "private-room", PATIENCE_MS));
    return client;
}

static void receives(pusher_client *client, const char *data, size_t size) {
    const char *text;
    size_t length;
    pusher_notification *event = next_of(client, PUSHER_KIND_EVENT);
    OK(pusher_notification_data(event, &text, &length));
    CHECK(length == size);
    CHECK(memcmp(text, data, size) == 0);
    CHECK(text[length] == '\0');
    pusher_notification_free(event);
}

int main(int count, char **arguments) {
    CHECK(count == FURTHER);
    pusher_client *sender = member(arguments);
    pusher_client *receiver = member(arguments);

    OK(pusher_trigger_text(sender, "private-room", "client-e", "a\0b", 3));
    receives(receiver, "a\0b", 3);
    OK(pusher_trigger_text(sender, "private-room", "client-e", "\0", 1));
    receives(receiver, "\0", 1);
    OK(pusher_trigger_text(sender, "private-room", "client-e", "", 0));
    receives(receiver, "", 0);
    OK(pusher_trigger(sender, "private-room", "client-e", "\"a\\u0000b\"", 10));
    receives(receiver, "a\0b", 3);

    /* Bytes after the length are not read, so the data needs no NUL at its end. */
    OK(pusher_trigger(sender, "private-room", "client-e", "{}and more", 2));
    receives(receiver, "{}", 2);
    OK(pusher_trigger_text(sender, "private-room", "client-e", "text and more", 4));
    receives(receiver, "text", 4);

    /* JSON contains a NUL only as an escape. */
    GIVES(pusher_trigger(sender, "private-room", "client-e", "\"a\0b\"", 5), PUSHER_ERR_ENCODE);
    GIVES(pusher_trigger(sender, "private-room", "client-e", "{}\0", 3), PUSHER_ERR_ENCODE);
    GIVES(pusher_trigger(sender, "private-room", "client-e", "", 0), PUSHER_ERR_ENCODE);

    pusher_client_free(sender);
    pusher_client_free(receiver);
    return 0;
}
