/* nng_reset_posix.c - see nng_reset.h. A program's own sendmsg() comes before that of a library,
 * also for other libraries: libcurl and libmicrohttpd treat both codes alike. */
#include "common/nng_reset.h"

#include "common/must.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

typedef ssize_t send_call(int fd, const struct msghdr *message, int flags);

static send_call *system_sendmsg;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ISO C has no cast from an object's address to a function's; POSIX says that they are alike. */
static void find_sendmsg(void)
{
    void *found = dlsym(RTLD_NEXT, "sendmsg");
    must(found != NULL);
    memcpy(&system_sendmsg, &found, sizeof(found));
}

void nng_reset_is_no_end(void)
{
    pthread_once(&once, find_sendmsg);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    pthread_once(&once, find_sendmsg);
    ssize_t sent = system_sendmsg(fd, message, flags);
    if (sent < 0 && errno == EPIPE)
        errno = ECONNRESET;
    return sent;
}
