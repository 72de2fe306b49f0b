/* hosted_posix.c - lab-sc starts the process: one channel for all its services, and the power. */
#include "tests/lab/base/hosted_internal.h"
#include "tests/lab/base/lab_os.h"

enum { CHANNEL, POWER };

bool hosted_begin(const char *server_dir, const char *const *names, size_t count, struct error *err)
{
    (void)server_dir;
    (void)names;
    (void)count;
    (void)err;
    return true;
}

bool hosted_connect(struct hosted *h, struct error *err)
{
    (void)err;
    struct line *line = hosted_line(h, lab_os_handed(CHANNEL));
    for (size_t i = 0; i < h->count; i++)
        h->services[i].line = line;
    h->power_fd = lab_os_handed(POWER);
    return true;
}
