/* Creates a client, connects, subscribes, receives an event, and frees everything; many times over. */
#include <dirent.h>

#include "check.h"

static int entries(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count;
}

static void cycle(char **arguments) {
    pusher_client *client;
    const char *data;
    pusher_config *config = config_of(arguments);
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect(client));
    /* The channel keeps its last event, and there was one. */
    OK(pusher_subscribe(client, "cache-news"));
    pusher_notification *event = next_of(client, PUSHER_KIND_EVENT);
    OK(pusher_notification_data(event, &data, NULL));
    CHECK(strcmp(data, "hello") == 0);
    pusher_notification_free(event);
    pusher_client_free(client);
}

int main(int count, char **arguments) {
    CHECK(count == FURTHER + 1);
    int cycles = atoi(arguments[FURTHER]);
    CHECK(cycles > 1);
    cycle(arguments);
    int descriptors = entries("/proc/self/fd");
    int threads = entries("/proc/self/task");
    for (int done = 1; done < cycles; done++) cycle(arguments);
    CHECK(entries("/proc/self/fd") == descriptors);
    CHECK(entries("/proc/self/task") == threads);
    return 0;
}
