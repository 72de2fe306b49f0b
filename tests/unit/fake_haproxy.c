/* fake_haproxy.c - see fake_haproxy.h. */
#include "fake_haproxy.h"

#include "common/must.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define HELD_MAX 16

struct fake_haproxy {
    const struct fake_step *steps;
    size_t count, done;
    int listener, stop_fd;
    int held[HELD_MAX]; /* connections kept open until the end */
    size_t held_count;
    char address[128];
    char wrong[512]; /* the first command that was not expected */
    pthread_t thread;
};

static bool wait_readable(const struct fake_haproxy *f, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = f->stop_fd, .events = POLLIN}};
    must(poll(fds, 2, -1) > 0);
    return !fds[1].revents;
}

static void read_line(struct fake_haproxy *f, int fd, char line[256])
{
    size_t used = 0;
    while (used < 255 && wait_readable(f, fd) && read(fd, line + used, 1) == 1 &&
           line[used] != '\n')
        used++;
    line[used] = '\0';
}

static void play(struct fake_haproxy *f, const struct fake_step *step, int fd)
{
    char line[256];
    read_line(f, fd, line);
    if (step->expect && strcmp(step->expect, line) != 0 && !f->wrong[0])
        text_format(f->wrong, sizeof(f->wrong), "expected \"%s\", got \"%s\"", step->expect, line);
    size_t len = step->answer ? strlen(step->answer) : 0;
    for (ssize_t sent; len > 0; len -= (size_t)sent) {
        sent = send(fd, step->answer + strlen(step->answer) - len, len, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
    }
    struct linger now = {.l_onoff = 1};
    if (step->end == FAKE_RESET)
        must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
    if (step->end == FAKE_HANG && f->held_count < HELD_MAX)
        f->held[f->held_count++] = fd;
    else
        close(fd);
}

static void *fake_run(void *arg)
{
    struct fake_haproxy *f = arg;
    while (f->done < f->count && wait_readable(f, f->listener)) {
        int fd = accept(f->listener, NULL, NULL);
        must(fd >= 0);
        /* The last step: whoever dials after it is refused, as when HAProxy has gone. */
        if (f->done + 1 == f->count) {
            close(f->listener);
            f->listener = -1;
        }
        play(f, &f->steps[f->done], fd);
        f->done++;
    }
    return NULL;
}

static void listen_unix(struct fake_haproxy *f, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    must(text_copy(address.sun_path, sizeof(address.sun_path), path));
    must(text_copy(f->address, sizeof(f->address), path));
    unlink(path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(f->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static void listen_tcp(struct fake_haproxy *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(f->listener, (struct sockaddr *)&address, len) == 0);
    must(getsockname(f->listener, (struct sockaddr *)&address, &len) == 0);
    text_format(f->address, sizeof(f->address), "127.0.0.1:%d", ntohs(address.sin_port));
}

struct fake_haproxy *fake_haproxy_open(const char *path, const struct fake_step *steps,
                                       size_t count)
{
    struct fake_haproxy *f = must_alloc(1, sizeof(*f));
    f->steps = steps;
    f->count = count;
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (path)
        listen_unix(f, path);
    else
        listen_tcp(f);
    must(listen(f->listener, 8) == 0);
    must(pthread_create(&f->thread, NULL, fake_run, f) == 0);
    return f;
}

const char *fake_haproxy_address(const struct fake_haproxy *f)
{
    return f->address;
}

static void stop(struct fake_haproxy *f)
{
    uint64_t one = 1;
    must(write(f->stop_fd, &one, sizeof(one)) == sizeof(one));
    pthread_join(f->thread, NULL);
    for (size_t i = 0; i < f->held_count; i++)
        close(f->held[i]);
    if (f->listener >= 0)
        close(f->listener);
    close(f->stop_fd);
}

void fake_haproxy_drop(struct fake_haproxy *f)
{
    stop(f);
    free(f);
}

void fake_haproxy_close(struct fake_haproxy *f)
{
    stop(f);
    size_t left = f->count - f->done;
    char wrong[sizeof(f->wrong)];
    memcpy(wrong, f->wrong, sizeof(wrong));
    free(f);
    if (wrong[0])
        fail_msg("%s", wrong);
    assert_int_equal(left, 0);
}
