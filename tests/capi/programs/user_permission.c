/* Signs in by the answer of a backend, and reads the channel and the message from the errors of refusals. */
#include "check.h"

static pusher_client *client_of(pusher_config *config) {
    pusher_client *client;
    OK(pusher_client_new(config, &client));
    return client;
}

int main(int count, char **arguments) {
    const pusher_error *error;
    const char *text;
    size_t handled;
    CHECK(count == FURTHER);
    pusher_config *config = config_of(arguments);
    pusher_client *client = client_of(config);
    GIVES(pusher_sign_in(client), PUSHER_ERR_CONFIG);
    GIVES(pusher_sign_in_with_auth(client, "app-key:wrong", "{\"id\": \"ann\"}"), PUSHER_ERR_DISCONNECTED);
    OK(pusher_connect(client));
    GIVES(pusher_sign_in(client), PUSHER_ERR_CONFIG);
    GIVES(pusher_wait_signed_in(client, 0), PUSHER_ERR_NOT_SIGNED_IN);

    OK(pusher_subscribe_with_auth(client, "private-room", "app-key:wrong", NULL, NULL));
    GIVES(pusher_wait_subscribed(client, "private-room", PATIENCE_MS), PUSHER_ERR_SUBSCRIPTION_REFUSED);
    OK(pusher_last_error(&error));
    OK(pusher_error_channel(error, &text, NULL));
    CHECK(strcmp(text, "private-room") == 0);
    OK(pusher_error_message(error, &text, NULL));
    CHECK(strlen(text) > 0);

    GIVES(pusher_dispatch(client, &handled), PUSHER_ERR_VALUE);

    /* The server refuses this permission, so the permission has reached it. The server also closes the connection. */
    OK(pusher_sign_in_with_auth(client, "app-key:wrong", "{\"id\": \"ann\"}"));
    GIVES(pusher_wait_signed_in(client, PATIENCE_MS), PUSHER_ERR_SIGN_IN_REFUSED);
    OK(pusher_last_error(&error));
    OK(pusher_error_message(error, &text, NULL));
    CHECK(strlen(text) > 0);
    GIVES(pusher_error_channel(error, &text, NULL), PUSHER_NOTHING);
    pusher_client_free(client);

    OK(pusher_config_set(config, "secret", arguments[SECRET]));
    OK(pusher_config_set(config, "user_data", "{\"id\": \"ann\"}"));
    client = client_of(config);
    OK(pusher_connect(client));
    GIVES(pusher_sign_in_with_auth(client, "app-key:wrong", "{\"id\": \"ann\"}"), PUSHER_ERR_VALUE);
    OK(pusher_sign_in(client));
    OK(pusher_wait_signed_in(client, PATIENCE_MS));
    pusher_client_free(client);

    GIVES(pusher_config_set(config, "port", "+80"), PUSHER_ERR_VALUE);
    GIVES(pusher_config_set_int(config, "root_certificate_pem", 1), PUSHER_ERR_VALUE);
    pusher_config_free(config);
    return 0;
}
