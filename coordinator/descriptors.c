/* descriptors.c - see descriptors.h. */
#include "coordinator/descriptors.h"

#include <sys/resource.h>

#define BESIDE 1024 /* 512 of them are the operators', at both fronts */

uint64_t descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t wanted = DESCRIPTORS_WANTED;
    if (limit.rlim_max != RLIM_INFINITY && wanted > limit.rlim_max)
        wanted = limit.rlim_max;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted) {
        const struct rlimit more = {wanted, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return wanted;
    }
    return limit.rlim_cur;
}

uint64_t descriptors_needed(size_t servers)
{
    return 2 * (uint64_t)servers + BESIDE;
}
