/* The balancer against the real thing: a haproxy process on unix sockets, with visitors' sessions
 * on it. No port is used: frontend, servers and runtime API are sockets in a directory. */
#include "coordinator/balancer/balancer.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000 /* for what haproxy does in milliseconds: only a broken test waits */

struct farm {
    char dir[64];
    pid_t haproxy;
    int servers[2]; /* listening sockets of web01 and web02 */
    struct mailbox *answers;
    struct balancer *balancer;
};

static void path_in(const struct farm *farm, const char *name, char out[108])
{
    must(text_format(out, 108, "%s/%s", farm->dir, name));
}

static int unix_socket(const struct farm *farm, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    path_in(farm, name, address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    return fd;
}

static int listen_at(const struct farm *farm, const char *name)
{
    struct sockaddr_un address;
    int fd = unix_socket(farm, name, &address);
    must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 16) == 0);
    return fd;
}

static int visit(const struct farm *farm)
{
    struct sockaddr_un address;
    int fd = unix_socket(farm, "front", &address);
    must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Which server got the visitor; *session is its end of the connection. */
static size_t served_by(const struct farm *farm, int *session)
{
    struct pollfd fds[2] = {{.fd = farm->servers[0], .events = POLLIN},
                            {.fd = farm->servers[1], .events = POLLIN}};
    must(poll(fds, 2, PATIENCE_MS) > 0);
    size_t which = fds[0].revents ? 0 : 1;
    *session = accept(farm->servers[which], NULL, NULL);
    must(*session >= 0);
    return which;
}

static void write_config(const struct farm *farm)
{
    struct text t = {0};
    char path[108];
    text_addf(&t, "global\n  stats socket %s/admin level admin\n", farm->dir);
    text_addf(&t, "  stats socket %s/reader level user\n", farm->dir);
    text_add(&t, "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n"
                 "  timeout server 60s\n");
    text_addf(&t, "frontend front\n  bind unix@%s/front\n  default_backend shop\n", farm->dir);
    text_addf(&t, "backend shop\n  server web01 unix@%s/web01\n  server web02 unix@%s/web02\n",
              farm->dir, farm->dir);
    path_in(farm, "haproxy.cfg", path);
    struct error err = {0};
    must(os_write_file(path, t.data, t.len, 0600, &err) == ERR_NONE);
    text_reset(&t);
}

static const char *haproxy_program(void)
{
    const char *const places[] = {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy"};
    for (size_t i = 0; i < 2; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static void start_haproxy(struct farm *farm)
{
    char config[108], log[108];
    path_in(farm, "haproxy.cfg", config);
    path_in(farm, "log", log);
    farm->haproxy = fork();
    must(farm->haproxy >= 0);
    if (farm->haproxy > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execl(haproxy_program(), "haproxy", "-db", "-f", config, (char *)NULL);
    _exit(127);
}

static void stop_haproxy(struct farm *farm)
{
    if (farm->haproxy <= 0)
        return;
    kill(farm->haproxy, SIGKILL);
    waitpid(farm->haproxy, NULL, 0);
    farm->haproxy = 0;
}

static void on_answer(void *arg, const struct balancer_answer *answer)
{
    struct balancer_answer *copy = must_alloc(1, sizeof(*copy));
    *copy = *answer;
    must(mailbox_post(((struct farm *)arg)->answers, copy));
}

static void open_balancer(struct farm *farm, const char *socket_name)
{
    char path[108];
    path_in(farm, socket_name, path);
    struct balancer_place place = {
        .kind = "haproxy", .name = "lb1", .address = path, .timeout_ms = 5000};
    const char *const renamed[] = {"stranger:nobody", NULL};
    struct balancer_backend backends[] = {
        {.balancer = "lb1", .backend = "shop", .pool_glob = "Shop", .renamed = renamed},
        {.balancer = "lb1", .backend = "crm", .pool_glob = "Crm"},
    };
    struct error err = {0};
    balancer_close(farm->balancer);
    assert_int_equal(balancer_open(&place, 1, backends, 2, on_answer, farm, &farm->balancer, &err),
                     ERR_NONE);
}

static struct balancer_answer ask(struct farm *farm, enum balancer_op op, const char *server,
                                  const char *pool)
{
    struct balancer_request r = {.ticket = 1, .op = op};
    text_copy(r.server, sizeof(r.server), server);
    text_copy(r.pool, sizeof(r.pool), pool);
    if (op != BALANCER_OP_READ) {
        r.place_count = 1;
        strcpy(r.places[0].balancer, "lb1");
        text_copy(r.places[0].backend, BALANCER_NAME_MAX, text_equal(pool, "Crm") ? "crm" : "shop");
        text_copy(r.places[0].name, BALANCER_NAME_MAX, server);
    }
    must(balancer_ask(farm->balancer, &r));
    struct balancer_answer *got = mailbox_take(farm->answers, UINT64_MAX);
    struct balancer_answer answer = *got;
    free(got);
    return answer;
}

/* Reads until haproxy is there; it has no other way to tell. */
static struct balancer_answer read_until_there(struct farm *farm)
{
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    struct balancer_answer a = ask(farm, BALANCER_OP_READ, "web01", "Shop");
    while (a.code == ERR_UNREACHABLE && clock_boot_ms() < give_up_ms) {
        poll(NULL, 0, 5);
        a = ask(farm, BALANCER_OP_READ, "web01", "Shop");
    }
    assert_string_equal(a.text, "");
    return a;
}

static int set_up(void **state)
{
    struct farm *farm = must_alloc(1, sizeof(*farm));
    strcpy(farm->dir, "/tmp/haproxy-XXXXXX");
    must(mkdtemp(farm->dir) != NULL);
    farm->answers = mailbox_open(16, free);
    farm->servers[0] = listen_at(farm, "web01");
    farm->servers[1] = listen_at(farm, "web02");
    write_config(farm);
    start_haproxy(farm);
    open_balancer(farm, "admin");
    read_until_there(farm);
    *state = farm;
    return 0;
}

static int tear_down(void **state)
{
    struct farm *farm = *state;
    const char *const names[] = {"admin", "reader",      "front", "web01",
                                 "web02", "haproxy.cfg", "log"};
    stop_haproxy(farm);
    balancer_close(farm->balancer);
    mailbox_close(farm->answers);
    close(farm->servers[0]);
    close(farm->servers[1]);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[108];
        path_in(farm, names[i], path);
        unlink(path);
    }
    rmdir(farm->dir);
    free(farm);
    return 0;
}

/* haproxy counts a session a moment after it connected, and one less a moment after its end. */
static struct balancer_answer read_until_sessions(struct farm *farm, const char *name,
                                                  uint32_t sessions)
{
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    struct balancer_answer a;
    do
        a = ask(farm, BALANCER_OP_READ, name, "Shop");
    while (a.entries[0].sessions != sessions && clock_boot_ms() < give_up_ms);
    return a;
}

static void drains_counts_sessions_and_readies(void **state)
{
    struct farm *farm = *state;
    int session, visitor = visit(farm);
    size_t busy = served_by(farm, &session);
    const char *name = busy == 0 ? "web01" : "web02";
    struct balancer_answer a = read_until_sessions(farm, name, 1);
    assert_int_equal(a.entries[0].admin, BALANCER_READY);
    assert_true(a.entries[0].up);
    assert_int_equal(a.entries[0].sessions, 1);
    assert_int_equal(a.entries[0].others_serving, 1);

    a = ask(farm, BALANCER_OP_DRAIN, name, "Shop");
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entries[0].admin, BALANCER_DRAIN);
    assert_int_equal(a.entries[0].sessions, 1); /* who is in stays */
    for (int i = 0; i < 4; i++) {               /* who comes goes to the other one */
        int other, next = visit(farm);
        assert_int_not_equal(served_by(farm, &other), busy);
        close(next);
        close(other);
    }
    close(visitor);
    close(session);
    a = read_until_sessions(farm, name, 0);
    assert_int_equal(a.entries[0].sessions, 0);

    a = ask(farm, BALANCER_OP_READ, busy == 0 ? "web02" : "web01", "Shop");
    assert_int_equal(a.entries[0].others_serving, 0); /* it is the last one now */
    a = ask(farm, BALANCER_OP_READY, name, "Shop");
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entries[0].admin, BALANCER_READY);
}

static void restarted_haproxy_has_forgotten_the_drain(void **state)
{
    struct farm *farm = *state;
    struct balancer_answer a = ask(farm, BALANCER_OP_DRAIN, "web01", "Shop");
    assert_int_equal(a.entries[0].admin, BALANCER_DRAIN);
    struct balancer_entry drained = a.entries[0];
    a = ask(farm, BALANCER_OP_READ, "web01", "Shop");
    assert_true(drained.life != 0 && a.entries[0].life == drained.life);
    stop_haproxy(farm);
    a = ask(farm, BALANCER_OP_READ, "web01", "Shop");
    assert_int_equal(a.code, ERR_UNREACHABLE);
    start_haproxy(farm);
    a = read_until_there(farm);
    assert_int_equal(a.entries[0].admin, BALANCER_READY);
    assert_true(balancer_forgot(&drained, &a.entries[0]));
}

static void stopped_haproxy_is_a_time_out(void **state)
{
    struct farm *farm = *state;
    char path[108];
    path_in(farm, "admin", path);
    struct balancer_place place = {
        .kind = "haproxy", .name = "lb1", .address = path, .timeout_ms = 100};
    struct balancer_backend backend = {.balancer = "lb1", .backend = "shop", .pool_glob = "*"};
    struct error err = {0};
    balancer_close(farm->balancer);
    balancer_open(&place, 1, &backend, 1, on_answer, farm, &farm->balancer, &err);
    int status;
    kill(farm->haproxy, SIGSTOP);
    must(waitpid(farm->haproxy, &status, WUNTRACED) == farm->haproxy && WIFSTOPPED(status));
    struct balancer_answer a = ask(farm, BALANCER_OP_DRAIN, "web01", "Shop");
    kill(farm->haproxy, SIGCONT);
    assert_int_equal(a.code, ERR_TIMEOUT);
}

static void unknown_names_are_told_apart(void **state)
{
    struct farm *farm = *state;
    const struct {
        enum balancer_op op;
        const char *server, *pool, *says;
    } cases[] = {
        {BALANCER_OP_READ, "web09", "Shop", "has no server \"web09\""},
        {BALANCER_OP_DRAIN, "web09", "Shop", "(\"No such server.\")"},
        {BALANCER_OP_READ, "stranger", "Shop", "has no server \"nobody\""},
        {BALANCER_OP_READ, "web01", "Crm", "has no backend \"crm\""},
        {BALANCER_OP_READY, "web01", "Crm", "(\"No such backend.\")"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct balancer_answer a = ask(farm, cases[i].op, cases[i].server, cases[i].pool);
        assert_int_equal(a.code, ERR_NOT_FOUND);
        if (!strstr(a.text, cases[i].says))
            fail_msg("\"%s\" does not say %s", a.text, cases[i].says);
    }
}

static void socket_without_rights_says_so(void **state)
{
    struct farm *farm = *state;
    open_balancer(farm, "reader");
    assert_int_equal(ask(farm, BALANCER_OP_READ, "web01", "Shop").code, ERR_NONE);
    struct balancer_answer a = ask(farm, BALANCER_OP_DRAIN, "web01", "Shop");
    assert_int_equal(a.code, ERR_DENIED);
    assert_non_null(strstr(a.text, "level admin"));
}

int main(void)
{
    if (!haproxy_program()) {
        fprintf(stderr, "haproxy is not installed: apt-get install haproxy\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(drains_counts_sessions_and_readies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(restarted_haproxy_has_forgotten_the_drain, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stopped_haproxy_is_a_time_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_names_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(socket_without_rights_says_so, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
