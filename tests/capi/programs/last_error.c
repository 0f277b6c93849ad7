/* The last error of a thread: its number, its text, its lifetime, and the place where a long text is cut. */
#include <pthread.h>

#include "check.h"

/* A cut text ends at the end of a character, so the next byte of the whole text begins another character. */
static int begins_a_character(char byte) { return ((unsigned char)byte & 0xc0) != 0x80; }

static void is_cut_as_by_snprintf(void) {
    char whole[500], cut[500];
    int32_t length = pusher_last_error_text(whole, sizeof whole);
    CHECK(length > 0 && (size_t)length == strlen(whole));
    CHECK(strchr(whole, '\xc5') != NULL); /* it has characters of two bytes */
    CHECK(pusher_last_error_text(NULL, 0) == length);
    CHECK(pusher_last_error_text(NULL, 10) == length);
    for (size_t size = 0; size <= (size_t)length + 2; size++) {
        memset(cut, '#', sizeof cut);
        CHECK(pusher_last_error_text(cut, size) == length);
        CHECK(cut[size] == '#');
        if (size == 0) continue;
        size_t written = strnlen(cut, size);
        CHECK(written < size);
        CHECK(memcmp(cut, whole, written) == 0);
        CHECK(begins_a_character(whole[written]));
        /* A character has at most two bytes here, so that at most one byte stays empty. */
        CHECK(written + 2 >= size || written == (size_t)length);
    }
}

static void *another_thread(void *argument) {
    const pusher_error *error;
    CHECK(pusher_last_error_text(NULL, 0) == 0);
    GIVES(pusher_last_error(&error), PUSHER_NOTHING);
    GIVES(pusher_connect(NULL), PUSHER_ERR_NULL);
    OK(pusher_last_error(&error));
    return argument;
}

static void last_is(int32_t wanted) {
    const pusher_error *error;
    int32_t result;
    OK(pusher_last_error(&error));
    OK(pusher_error_result(error, &result));
    CHECK(result == wanted);
}

int main(int count, char **arguments) {
    const pusher_error *error;
    pusher_client *client;
    const char *text;
    char message[500];
    size_t length;
    int32_t answer;
    pthread_t thread;
    CHECK(count == FURTHER);

    CHECK(pusher_last_error_text(message, sizeof message) == 0);
    CHECK(message[0] == '\0');
    GIVES(pusher_last_error(&error), PUSHER_NOTHING);

    OK(pusher_abi_check(PUSHER_ABI_VERSION));
    CHECK(pusher_abi_version() == PUSHER_ABI_VERSION);
    GIVES(pusher_abi_check(PUSHER_ABI_VERSION + 1), PUSHER_ERR_ABI);
    GIVES(pusher_abi_check(PUSHER_ABI_VERSION + 0x10000), PUSHER_ERR_ABI);
    GIVES(pusher_abi_check(0), PUSHER_ERR_ABI);
    last_is(PUSHER_ERR_ABI);

    pusher_config *config = config_of(arguments);
    OK(pusher_client_new(config, &client));
    GIVES(pusher_subscribe(client, "\xc5\xbc\xc5\xbc\xc5\xbc"), PUSHER_ERR_CHANNEL_NAME);
    is_cut_as_by_snprintf();

    /* A call that succeeds, a call without an answer, and a call on another thread leave the error. */
    OK(pusher_disconnect(client));
    GIVES(pusher_socket_id(client, &text, NULL), PUSHER_NOTHING);
    CHECK(pthread_create(&thread, NULL, another_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    last_is(PUSHER_ERR_CHANNEL_NAME);

    GIVES(pusher_config_set(config, "no_option", "1"), PUSHER_ERR_OPTION);
    last_is(PUSHER_ERR_OPTION);

    GIVES(pusher_subscribe(client, "not a name"), PUSHER_ERR_CHANNEL_NAME);
    last_is(PUSHER_ERR_CHANNEL_NAME);
    OK(pusher_last_error(&error));
    OK(pusher_error_text(error, &text, &length));
    CHECK((size_t)pusher_last_error_text(message, sizeof message) == length);
    CHECK(strcmp(message, text) == 0);
    GIVES(pusher_error_code(error, &answer), PUSHER_NOTHING);
    GIVES(pusher_error_status(error, &answer), PUSHER_NOTHING);
    OK(pusher_error_is_retryable(error, &answer));
    CHECK(answer == 0);
    OK(pusher_error_is_timeout(error, &answer));
    CHECK(answer == 0);
    OK(pusher_connect(client));
    GIVES(pusher_wait_subscribed(client, "room", 1), PUSHER_ERR_NOT_SUBSCRIBED);

    pusher_client_free(client);
    pusher_config_free(config);
    return 0;
}
