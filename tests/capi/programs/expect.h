/* The checks of the generated programs. A failed check is printed and counted, and the program continues. */
#ifndef EXPECT_H
#define EXPECT_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

/* Each byte of an out-parameter has this value before a call. */
enum { UNWRITTEN = 0x5a };

/* A text that is not UTF-8. It has two bytes, like every text that the programs pass with a length. */
#define NOT_UTF8 "\xc3("

static int failures;
static int registrations;
static atomic_int destructions;

static inline void count_destruction(void *user_data) {
    (void)user_data;
    atomic_fetch_add(&destructions, 1);
}

static inline void fail(const char *call, const char *what, long found, long wanted) {
    char text[500] = "";
    pusher_last_error_text(text, sizeof text);
    fprintf(stderr, "%s: %s: %ld, not %ld; last error: %s\n", call, what, found, wanted, text);
    failures++;
}

static inline void expect(const char *call, const char *what, long found, long wanted) {
    if (found != wanted) fail(call, what, found, wanted);
}

/* The last error of this thread has the number of the failed call, and a text. */
static inline void expect_error(const char *call, int32_t result, int32_t wanted) {
    const pusher_error *error;
    int32_t number = -1;
    expect(call, "result", result, wanted);
    if (result != wanted) return;
    expect(call, "there is a last error", pusher_last_error(&error), PUSHER_OK);
    expect(call, "the last error has a number", pusher_error_result(error, &number), PUSHER_OK);
    expect(call, "the number of the last error", number, wanted);
    expect(call, "the last error has a text", pusher_last_error_text(NULL, 0) > 0, 1);
}

static inline void expect_unwritten(const char *call, const void *place, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (((const unsigned char *)place)[i] != UNWRITTEN) {
            fail(call, "an out-parameter was written, at byte", (long)i, -1);
            return;
        }
    }
}

/* Every user_data was destroyed once, also where the registration failed. */
static inline void expect_all_destroyed(void) {
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(&destructions) < registrations && time(NULL) < end) sched_yield();
    expect("all calls", "destructor count", atomic_load(&destructions), registrations);
}

#endif
