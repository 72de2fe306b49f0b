/* test_service.c - being told to stop, and telling the system that we are up. The signals go to
 * this very process, so every test runs in a child. */
#include "tests/unit/common/testing.h"

#include "common/log.h"
#include "common/mailbox.h"
#include "common/service.h"
#include "common/text.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static void wake_box(void *arg)
{
    mailbox_wake(arg);
}

/* Runs `act` with what follows a `service_start`; returns the wait status. */
static int in_child(int (*act)(struct mailbox *box))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        log_set_fd(-1);
        struct mailbox *box = mailbox_open(1, NULL);
        if (service_start(wake_box, box, NULL) != ERR_NONE)
            _exit(100);
        _exit(act(box));
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int stop_by(struct mailbox *box, int which)
{
    if (service_stopping())
        return 1;
    kill(getpid(), which);
    if (mailbox_take(box, UINT64_MAX) != NULL)
        return 2;
    return service_stopping() ? 0 : 3;
}

static int stop_by_term(struct mailbox *box)
{
    return stop_by(box, SIGTERM);
}

static int stop_by_int(struct mailbox *box)
{
    return stop_by(box, SIGINT);
}

static void both_signals_wake_and_set_the_flag(void **state)
{
    (void)state;
    assert_int_equal(in_child(stop_by_term), 0);
    assert_int_equal(in_child(stop_by_int), 0);
}

static int stop_twice(struct mailbox *box)
{
    int bad = stop_by(box, SIGTERM);
    if (bad)
        return bad;
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
}

static void the_second_signal_ends_at_once(void **state)
{
    (void)state;
    int status = in_child(stop_twice);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static int write_to_nobody(struct mailbox *box)
{
    (void)box;
    int ends[2];
    if (pipe(ends) != 0)
        return 1;
    close(ends[0]);
    return write(ends[1], "x", 1) == -1 ? 0 : 2;
}

static void a_broken_pipe_does_not_end_us(void **state)
{
    (void)state;
    assert_int_equal(in_child(write_to_nobody), 0);
}

static int tell_ready(struct mailbox *box)
{
    service_ready();
    return stop_by(box, SIGTERM);
}

static int listen_for_notices(const char *name, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(text_copy(address.sun_path, sizeof(address.sun_path), name));
    if (abstract)
        address.sun_path[0] = '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    return fd;
}

static void check_notices(int fd)
{
    char line[64];
    ssize_t len = recv(fd, line, sizeof(line), MSG_DONTWAIT);
    assert_int_equal(len, 7);
    assert_memory_equal(line, "READY=1", 7);
    len = recv(fd, line, sizeof(line), MSG_DONTWAIT);
    assert_int_equal(len, 10);
    assert_memory_equal(line, "STOPPING=1", 10);
    close(fd);
}

static void the_system_is_told(void **state)
{
    (void)state;
    char path[64], name[64];
    snprintf(path, sizeof(path), "/tmp/farmhand-notify-%ld", (long)getpid());
    int fd = listen_for_notices(path, false);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(in_child(tell_ready), 0);
    check_notices(fd);
    unlink(path);
    snprintf(name, sizeof(name), "@farmhand-notify-%ld", (long)getpid());
    fd = listen_for_notices(name, true);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(in_child(tell_ready), 0);
    check_notices(fd);
}

static void without_a_system_it_is_harmless(void **state)
{
    (void)state;
    setenv("NOTIFY_SOCKET", "/no/such/socket", 1);
    assert_int_equal(in_child(tell_ready), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(in_child(tell_ready), 0);
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(in_child(tell_ready), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_signals_wake_and_set_the_flag),
        cmocka_unit_test(the_second_signal_ends_at_once),
        cmocka_unit_test(a_broken_pipe_does_not_end_us),
        cmocka_unit_test(the_system_is_told),
        cmocka_unit_test(without_a_system_it_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
