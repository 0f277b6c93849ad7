/* Prints the events of the channel `news`: ./smallest ws://127.0.0.1:6001/app/app-key */
#include <stdio.h>

#include <pusher_channels.h>

int main(int argc, char **argv)
{
    pusher_config *config = NULL;
    pusher_client *client = NULL;
    pusher_notification *notification;
    const char *data;
    char reason[256];

    int failed = pusher_config_new(&config) || pusher_config_set(config, "url", argc > 1 ? argv[1] : "") ||
                 pusher_client_new(config, &client) || pusher_connect(client) || pusher_subscribe(client, "news");
    if (failed && pusher_last_error_text(reason, sizeof reason)) fprintf(stderr, "%s\n", reason);

    while (!failed && pusher_next(client, -1, &notification) == PUSHER_OK) {
        if (pusher_notification_data(notification, &data, NULL) == PUSHER_OK) puts(data);
        pusher_notification_free(notification);
    }
    pusher_client_free(client);
    pusher_config_free(config);
    return failed;
}
