/* dump_posix.c - see dump.h. */
#include "agent/drivers/dump.h"

enum error_code dump_process(uint32_t pid, uint64_t created, const char *path,
                             const struct driver_dump_limits *limits, uint64_t *out_bytes,
                             struct error *err)
{
    (void)pid, (void)created, (void)path, (void)limits, (void)out_bytes;
    return error_set(err, ERR_UNAVAILABLE, "dumps of a worker are made on Windows alone");
}
