/* Tells a program when another of its threads waits. */
#ifndef SLEEPS_H
#define SLEEPS_H

#include <stdio.h>
#include <sys/types.h>

/* Whether the kernel says that the thread sleeps. */
static inline int sleeps(pid_t thread) {
    char path[60], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    /* The name of this program stands in parentheses, and has no space. */
    if (fscanf(file, "%*d %*s %c", &state) != 1) state = 0;
    fclose(file);
    return state == 'S';
}

#endif
