/* A program may answer a request with a text that belongs to the request, although the answer frees the request. */
#include "check.h"

static void grant(void *user_data, pusher_auth_request *request) {
    const char *channel, *socket_id;
    (void)user_data;
    OK(pusher_auth_request_channel(request, &channel, NULL));
    OK(pusher_auth_request_socket_id(request, &socket_id, NULL));
    OK(pusher_auth_request_grant(request, socket_id, channel, socket_id));
}

static void grant_user(void *user_data, pusher_auth_request *request) {
    const char *socket_id;
    (void)user_data;
    OK(pusher_auth_request_socket_id(request, &socket_id, NULL));
    OK(pusher_auth_request_grant_user(request, socket_id, socket_id));
}

static void refuse(void *user_data, pusher_auth_request *request) {
    const char *channel;
    (void)user_data;
    OK(pusher_auth_request_channel(request, &channel, NULL));
    OK(pusher_auth_request_refuse(request, channel, 403));
}

static pusher_client *client_of(char **arguments, pusher_authorize_callback authorizer) {
    pusher_client *client;
    pusher_config *config = config_of(arguments);
    OK(pusher_config_authorizer(config, authorizer, NULL, NULL));
    OK(pusher_config_user_authenticator(config, grant_user, NULL, NULL));
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect(client));
    return client;
}

/* None of these texts is a permission, so that each answer arrives as an error. */
int main(int count, char **arguments) {
    CHECK(count == FURTHER);
    pusher_client *client = client_of(arguments, grant);
    OK(pusher_subscribe(client, "private-room"));
    GIVES(pusher_wait_subscribed(client, "private-room", PATIENCE_MS), PUSHER_ERR_SUBSCRIPTION_REFUSED);
    OK(pusher_sign_in(client));
    GIVES(pusher_wait_signed_in(client, PATIENCE_MS), PUSHER_ERR_AUTH_MALFORMED);
    pusher_client_free(client);

    client = client_of(arguments, refuse);
    OK(pusher_subscribe(client, "private-room"));
    GIVES(pusher_wait_subscribed(client, "private-room", PATIENCE_MS), PUSHER_ERR_AUTH_REFUSED);
    pusher_client_free(client);
    return 0;
}
