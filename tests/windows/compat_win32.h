/* compat_win32.h - the few calls of POSIX that tests/unit needs and Windows' C library has not; the
 * compiler puts it before the tests that are the same on every system. */
#ifndef TESTS_WINDOWS_COMPAT_WIN32_H
#define TESTS_WINDOWS_COMPAT_WIN32_H

#include <stdlib.h>
#include <string.h>

/* not by io.h, which has names that tests use, too */
_CRTIMP char *__cdecl _mktemp(char *template);
_CRTIMP int __cdecl _mkdir(const char *path);

static inline char *mkdtemp(char *template)
{
    return _mktemp(template) && _mkdir(template) == 0 ? template : NULL;
}

static inline char *realpath(const char *path, char *resolved)
{
    return _fullpath(resolved, path, 4096);
}

static inline int setenv(const char *name, const char *value, int replace)
{
    return replace || !getenv(name) ? _putenv_s(name, value) : 0;
}

static inline int unsetenv(const char *name)
{
    return _putenv_s(name, "");
}

static inline int rand_r(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return (int)(*seed >> 1);
}

static inline void *memmem(const void *in, size_t in_len, const void *what, size_t len)
{
    const char *at = in;
    for (size_t i = 0; len <= in_len && i <= in_len - len; i++)
        if (memcmp(at + i, what, len) == 0)
            return (char *)at + i;
    return NULL;
}

#endif
