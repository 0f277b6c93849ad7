/* Code that the programs share: checks that end the program and print their line, and the config for the server. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pusher_channels.h"

/* Every wait here ends earlier, also under valgrind on a loaded machine. Only a failing program waits for so long. */
enum { PATIENCE_MS = 60000 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Checks the result of a call. If it is another one, the program prints the last error and ends. */
#define GIVES(call, wanted) gives(__FILE__, __LINE__, #call, (call), (wanted))
#define OK(call) GIVES(call, PUSHER_OK)

static inline void gives(const char *file, int line, const char *call, int32_t result, int32_t wanted) {
    if (result == wanted) return;
    char text[500] = "";
    pusher_last_error_text(text, sizeof text);
    fprintf(stderr, "%s:%d: %s is %d, not %d; last error: %s\n", file, line, call, (int)result, (int)wanted, text);
    exit(1);
}

/* The arguments of every program: host, port, key, secret, master key of encrypted channels. */
enum { HOST = 1, PORT = 2, KEY = 3, SECRET = 4, MASTER_KEY = 5, FURTHER = 6 };

/* A config for the server of the arguments. It reconnects fast, because tests should not wait. */
static inline pusher_config *config_of(char **arguments) {
    pusher_config *config;
    OK(pusher_config_new(&config));
    OK(pusher_config_set(config, "host", arguments[HOST]));
    OK(pusher_config_set(config, "port", arguments[PORT]));
    OK(pusher_config_set(config, "key", arguments[KEY]));
    OK(pusher_config_set_bool(config, "tls", 0));
    OK(pusher_config_set_int(config, "reconnect_max_delay_ms", 20));
    return config;
}

/* The next notification of a kind. The notifications before it are dropped. */
static inline pusher_notification *next_of(pusher_client *client, int32_t kind) {
    for (;;) {
        pusher_notification *notification;
        int32_t found;
        OK(pusher_next(client, PATIENCE_MS, &notification));
        OK(pusher_notification_kind(notification, &found));
        if (found == kind) return notification;
        pusher_notification_free(notification);
    }
}

#endif
