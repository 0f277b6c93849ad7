/* Creates a client, connects, subscribes, receives an event, and frees everything. Repeats this many times. */
#include <dirent.h>
#include <malloc.h>

#include "check.h"

static int entries(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count;
}

/* The number of cycles after which all memory that is allocated only once is allocated. */
enum { BEGINNING = 100 };

/* The allowed difference of the memory in use between two cycles, because some threads may not have ended yet. */
enum { SLACK = 64 * 1024 };

static void cycle(char **arguments) {
    pusher_client *client;
    const char *data;
    pusher_config *config = config_of(arguments);
    OK(pusher_client_new(config, &client));
    pusher_config_free(config);
    OK(pusher_connect(client));
    /* A cache channel sends its last event to each new subscriber. */
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
    CHECK(cycles > BEGINNING);
    int done = 0;
    while (done++ < BEGINNING) cycle(arguments);
    int descriptors = entries("/proc/self/fd");
    int threads = entries("/proc/self/task");
    /* Memory that the library still points to is no leak for valgrind. This comparison finds it. */
    size_t memory = mallinfo2().uordblks;
    while (done++ <= cycles) cycle(arguments);
    CHECK(mallinfo2().uordblks < memory + SLACK);
    CHECK(entries("/proc/self/fd") == descriptors);
    CHECK(entries("/proc/self/task") == threads);
    return 0;
}
