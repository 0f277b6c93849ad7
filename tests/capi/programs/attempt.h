/* The arguments with which the generated programs try calls. A failed attempt is told, and the others go on. */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

/* Out-parameters are filled with this before a call. */
enum { UNWRITTEN = 0x5a };

/* A text that is not UTF-8, of two bytes, as every text with a length that the programs give. */
#define NOT_UTF8 "\xc3("

static int failures;
static int registrations;
static atomic_int destructions;

static inline void count_destruction(void *user_data) {
    (void)user_data;
    atomic_fetch_add(&destructions, 1);
}

static inline void fail(const char *attempt, const char *what, long found, long wanted) {
    char text[500] = "";
    pusher_last_error_text(text, sizeof text);
    fprintf(stderr, "%s: %s: %ld, not %ld; last error: %s\n", attempt, what, found, wanted, text);
    failures++;
}

static inline void expect(const char *attempt, const char *what, long found, long wanted) {
    if (found != wanted) fail(attempt, what, found, wanted);
}

/* An error leaves its number and words with the thread. */
static inline void expect_error(const char *attempt, int32_t result, int32_t wanted) {
    const pusher_error *error;
    int32_t number = -1;
    expect(attempt, "result", result, wanted);
    if (result != wanted) return;
    expect(attempt, "there is a last error", pusher_last_error(&error), PUSHER_OK);
    expect(attempt, "the last error has a number", pusher_error_result(error, &number), PUSHER_OK);
    expect(attempt, "the number of the last error", number, wanted);
    expect(attempt, "the last error has words", pusher_last_error_text(NULL, 0) > 0, 1);
}

static inline void expect_unwritten(const char *attempt, const void *place, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (((const unsigned char *)place)[i] != UNWRITTEN) {
            fail(attempt, "an out-parameter was written, at byte", (long)i, -1);
            return;
        }
    }
}

/* Every user_data that was registered, or offered in vain, has been destroyed once. */
static inline void expect_all_destroyed(void) {
    time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (atomic_load(&destructions) < registrations && time(NULL) < end) sched_yield();
    expect("in all", "destructor count", atomic_load(&destructions), registrations);
}

#endif
