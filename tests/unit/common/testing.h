/* testing.h - what the tests of common/ share: cmocka with what it needs before it, and a
 * directory that is gone afterwards. */
#ifndef FARMHAND_TESTS_UNIT_COMMON_TESTING_H
#define FARMHAND_TESTS_UNIT_COMMON_TESTING_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/error.h"

/* The expected code, with the error's own words when it is another. */
#define assert_code(expression, expected, err)                                                     \
    do {                                                                                           \
        enum error_code got_ = (expression);                                                       \
        if (got_ != (expected))                                                                    \
            fail_msg("%s gave %s, not %s: %s", #expression, error_code_name(got_),                 \
                     error_code_name(expected), (err)->text);                                      \
    } while (0)

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (!strstr((text), (part)))                                                               \
            fail_msg("\"%s\" does not hold \"%s\"", (text), (part));                               \
    } while (0)

/* A test whose group setup and teardown these are gets the directory's path as *state. */
static inline int dir_setup(void **state)
{
    char *path = strdup("test-XXXXXX");
    *state = mkdtemp(path) ? realpath(path, NULL) : NULL;
    free(path);
    return *state ? 0 : -1;
}

static inline int dir_remove_one(const char *path, const struct stat *info, int kind,
                                 struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static inline int dir_teardown(void **state)
{
    int bad = nftw(*state, dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return bad;
}

/* The path of a file in the directory; valid until the fourth call from here. */
static inline const char *in_dir(void **state, const char *name)
{
    static char paths[4][4096];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", (const char *)*state, name);
    return path;
}

#endif
