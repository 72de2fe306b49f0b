/* The service side of a lab server against IIS.md section 4, and its life: boot, crash, down. */
#include "tests/lab/check/box.h"

#include "common/clock.h"
#include "common/process.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SHOP "/apppool.name:Shop"

enum { STOPPED = 1, START_PENDING, STOP_PENDING, RUNNING };

static int make_box(void **state)
{
    *state = calloc(1, sizeof(struct box));
    return 0;
}

static int close_box(void **state)
{
    box_close(*state);
    free(*state);
    return 0;
}

struct in_state {
    const char *name;
    int state;
};

static bool reached(struct box *b, void *arg)
{
    const struct in_state *s = arg;
    return box_service(b, s->name, "state") == s->state;
}

static void await_state(struct box *b, const char *name, int state)
{
    struct in_state s = {name, state};
    if (!box_until(b, reached, &s))
        fail_msg("%s is in state %d, not %d", name, (int)box_service(b, name, "state"), state);
}

static void stop_all(struct box *b)
{
    box_sc(b, 0, "stop", "W3SVC", NULL);
    await_state(b, "W3SVC", STOPPED);
    box_sc(b, 0, "stop", "WAS", NULL);
    await_state(b, "WAS", STOPPED);
}

static bool answers_200(struct box *b, void *arg)
{
    (void)arg;
    return box_get(b, "/health").status == 200;
}

static void codes_are_those_of_the_service_manager(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_sc(b, 1060, "query", "NoSuch", NULL);
    box_sc(b, 1056, "start", "W3SVC", NULL);
    box_sc(b, 1051, "stop", "WAS", NULL);
    stop_all(b);
    box_sc(b, 1062, "stop", "W3SVC", NULL);
    box_sc(b, 1062, "stop", "WAS", NULL);
    box_sc(b, 0, "config", "W3SVC", "start=", "disabled", NULL);
    box_sc(b, 1058, "start", "W3SVC", NULL);
    box_sc(b, 0, "config", "W3SVC", "start=", "demand", NULL);
    box_sc(b, 0, "config", "WAS", "start=", "disabled", NULL);
    box_sc(b, 1068, "start", "W3SVC", NULL);
    box_sc(b, 87, "config", "WAS", "start=", "sometimes", NULL);
    box_sc(b, 0, "config", "WAS", "start=", "demand", NULL);
    box_sc(b, 0, "start", "W3SVC", NULL);
    await_state(b, "W3SVC", RUNNING);
}

static void was_and_w3svc_share_a_process(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    json_int_t pid = box_service(b, "WAS", "pid");
    assert_int_equal(box_service(b, "W3SVC", "pid"), pid);
    assert_int_equal(box_service(b, "W3SVC", "created"), box_service(b, "WAS", "created"));
    assert_true(box_alive((uint32_t)pid));
    assert_int_equal(box_service(b, "HTTP", "pid"), 0);
    stop_all(b);
    assert_int_equal(box_service(b, "WAS", "pid"), 0);
}

static void starting_w3svc_starts_was(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    stop_all(b);
    assert_int_equal(box_get(b, "/").status, -1);
    box_sc(b, 0, "start", "WAS", NULL);
    await_state(b, "WAS", RUNNING);
    box_sleep(200);
    assert_int_equal(box_get(b, "/").status, -1); /* WAS alone: nobody listens */
    box_sc(b, 0, "stop", "WAS", NULL);
    await_state(b, "WAS", STOPPED);
    box_sc(b, 0, "start", "W3SVC", NULL);
    await_state(b, "W3SVC", RUNNING);
    await_state(b, "WAS", RUNNING);
    assert_true(box_until(b, answers_200, NULL));
    assert_int_equal(box_count(b, "services/WAS/starts"), 3);
    assert_int_equal(box_count(b, "services/W3SVC/stops"), 1);
}

static bool request_runs(struct box *b, void *arg)
{
    (void)arg;
    return box_run(b, NULL, "appcmd", "list", "request", NULL) == 0;
}

static bool has_checkpoint(struct box *b, void *arg)
{
    const struct in_state *s = arg;
    return box_service(b, s->name, "checkpoint") >= s->state;
}

static void await_checkpoint(struct box *b, const char *name, int checkpoint)
{
    struct in_state s = {name, checkpoint};
    assert_true(box_until(b, has_checkpoint, &s));
}

/* One request of eight seconds: so long may what is looked at meanwhile take. */
static void stop_drains_workers_and_refuses_visitors(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    struct visitors *v = box_visitors(b, 1, "/slow?ms=8000");
    assert_true(box_until(b, request_runs, NULL));
    box_sc(b, 0, "stop", "W3SVC", NULL);
    assert_int_equal(box_service(b, "W3SVC", "state"), STOP_PENDING);
    box_sc(b, 1061, "stop", "W3SVC", NULL);
    assert_int_equal(box_get(b, "/").status, -1);
    await_checkpoint(b, "W3SVC", 1);
    await_state(b, "W3SVC", STOPPED);
    box_visitors_end(v);
    assert_int_equal(box_count(b, "pools/Shop/lost"), 0);
    assert_int_equal(box_ended(b, "Shop", "stopped"), 1);
}

static void stuck_was_stays_in_stop_pending_until_its_host_is_killed(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_fault(b, "was-stuck", "on", NULL);
    box_sc(b, 0, "stop", "W3SVC", NULL);
    await_state(b, "W3SVC", STOPPED);
    box_sc(b, 0, "stop", "WAS", NULL);
    await_checkpoint(b, "WAS", 2);
    assert_int_equal(box_service(b, "WAS", "state"), STOP_PENDING);
    box_sc(b, 1061, "stop", "WAS", NULL);
    box_sc(b, 1056, "start", "WAS", NULL);
    box_sc(b, 1068, "start", "W3SVC", NULL);
    box_appcmd(b, 50, NULL, "list", "wp", NULL);
    box_kill((uint32_t)box_service(b, "WAS", "pid"));
    await_state(b, "WAS", STOPPED);
    assert_int_equal(box_service(b, "WAS", "exit_code"), 1067);
    box_sc(b, 0, "start", "W3SVC", NULL);
    await_state(b, "W3SVC", RUNNING);
    assert_true(box_until(b, answers_200, NULL));
    assert_int_equal(box_count(b, "services/WAS/died"), 1);
}

static bool is_dead(struct box *b, void *arg)
{
    (void)b;
    return !box_alive(*(uint32_t *)arg);
}

static void death_of_the_host_takes_both_services(void **state)
{
    struct box *b = *state;
    uint32_t worker;
    box_open(b, NULL, NULL, NULL);
    assert_true(box_until(b, answers_200, NULL));
    assert_int_equal(box_workers(b, "Shop", &worker, 1), 1);
    box_kill((uint32_t)box_service(b, "W3SVC", "pid"));
    await_state(b, "W3SVC", STOPPED);
    await_state(b, "WAS", STOPPED);
    assert_int_equal(box_service(b, "W3SVC", "exit_code"), 1067);
    assert_int_equal(box_get(b, "/").status, -1);
    assert_int_equal(box_ended(b, "Shop", "host-died"), 1);
    assert_true(box_until(b, is_dead, &worker)); /* a healthy worker ends with its channel */
}

static void hung_workers_survive_the_host(void **state)
{
    struct box *b = *state;
    uint32_t worker;
    box_open(b, NULL, NULL, "[fault worker-hangs]\n"); /* before it is born */
    assert_int_equal(box_workers(b, "Shop", &worker, 1), 1);
    box_kill((uint32_t)box_service(b, "W3SVC", "pid"));
    await_state(b, "W3SVC", STOPPED);
    box_sleep(300);
    assert_true(box_alive(worker));
    box_down(b);
    assert_false(box_alive(worker));
}

static void optional_services_have_their_own_processes_and_guests(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL,
             "[service NetTcpActivator]\ndepends = WAS\n[service Stranger]\nhost = iissvcs\n"
             "[service Off]\nstart = disabled\n");
    assert_int_equal(box_service(b, "NetTcpActivator", "state"), RUNNING);
    assert_int_not_equal(box_service(b, "NetTcpActivator", "pid"), box_service(b, "WAS", "pid"));
    assert_int_equal(box_service(b, "Stranger", "pid"), box_service(b, "WAS", "pid"));
    assert_int_equal(box_service(b, "Off", "state"), STOPPED);
    assert_int_equal(box_service(b, "Off", "start_type"), 4);
    box_sc(b, 0, "stop", "W3SVC", NULL);
    await_state(b, "W3SVC", STOPPED);
    box_sc(b, 1051, "stop", "WAS", NULL);
    box_sc(b, 0, "stop", "NetTcpActivator", NULL);
    await_state(b, "NetTcpActivator", STOPPED);
    box_sc(b, 0, "stop", "WAS", NULL);
    await_state(b, "WAS", STOPPED);
    assert_int_equal(box_service(b, "Stranger", "state"), RUNNING);
}

static void services_can_be_made_to_fail(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_fault(b, "service-refuses-stop", "on", "--scope", "W3SVC", NULL);
    box_sc(b, 1061, "stop", "W3SVC", NULL);
    box_fault(b, "service-refuses-stop", "on", "--scope", "W3SVC", "--value", "5", NULL);
    box_sc(b, 5, "stop", "W3SVC", NULL);
    box_fault(b, "all", "off", NULL);
    box_fault(b, "service-denied", "on", "--scope", "W3SVC", NULL);
    box_sc(b, 5, "stop", "W3SVC", NULL);
    box_sc(b, 0, "query", "W3SVC", NULL);
    box_fault(b, "all", "off", NULL);
    stop_all(b);
    box_fault(b, "scm-error", "on", "--scope", "start", "--value", "1115", NULL);
    box_sc(b, 1115, "start", "W3SVC", NULL);
    box_fault(b, "all", "off", NULL);
    box_fault(b, "service-start-fails", "on", "--scope", "WAS", "--value", "1066", NULL);
    box_sc(b, 1068, "start", "W3SVC", NULL);
    assert_int_equal(box_service(b, "WAS", "exit_code"), 1066);
    box_fault(b, "all", "off", NULL);
    box_fault(b, "service-slow-start", "on", "--scope", "W3SVC", "--value", "600", NULL);
    box_sc(b, 0, "start", "W3SVC", NULL);
    assert_int_equal(box_service(b, "W3SVC", "state"), START_PENDING);
    await_state(b, "W3SVC", RUNNING);
    box_fault(b, "service-slow-stop", "on", "--scope", "W3SVC", "--value", "600", NULL);
    uint64_t before = clock_boot_ms();
    box_sc(b, 0, "stop", "W3SVC", NULL);
    await_state(b, "W3SVC", STOPPED);
    assert_true(clock_boot_ms() - before >= 600);
}

/* stop is run-time state only: a boot, or WAS alone, brings the pool back unless autoStart=false.
 */
static void stopped_pool_comes_back_with_was_unless_autostart_is_false(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_appcmd(b, 0, NULL, "stop", "apppool", SHOP, NULL);
    stop_all(b);
    box_sc(b, 0, "start", "W3SVC", NULL);
    await_state(b, "W3SVC", RUNNING);
    assert_true(box_until(b, answers_200, NULL));
    box_appcmd(b, 0, NULL, "set", "apppool", SHOP, "/autoStart:false", NULL);
    box_appcmd(b, 0, "state:Started", "list", "apppool", SHOP, NULL);
    box_appcmd(b, 0, NULL, "stop", "apppool", SHOP, NULL);
    stop_all(b);
    box_sc(b, 0, "start", "W3SVC", NULL);
    await_state(b, "W3SVC", RUNNING);
    box_appcmd(b, 0, "state:Stopped", "list", "apppool", SHOP, NULL);
    assert_string_equal(box_get(b, "/").reason, "Disabled");
}

static void power_cut_and_boot(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    assert_true(box_until(b, answers_200, NULL));
    uint32_t host = (uint32_t)box_service(b, "WAS", "pid");
    box_sc(b, 0, "config", "WAS", "start=", "demand", NULL);
    box_run(b, NULL, "lab-sc", "crash", b->dir, NULL);
    assert_false(box_alive(host));
    assert_int_equal(box_get(b, "/").status, -1);
    box_up(b);
    assert_true(box_until(b, answers_200, NULL));
    assert_int_equal(box_ended(b, "Shop", "power"), 1);
    assert_int_equal(box_run(b, NULL, "lab-sc", "up", b->dir, NULL), 1); /* it runs already */
}

static void everything_ends_with_the_service_manager(void **state)
{
    struct box *b = *state;
    char path[400], line[64] = "";
    box_open(b, NULL, NULL, "[fault worker-hangs Shop]\n");
    uint32_t host = (uint32_t)box_service(b, "WAS", "pid"), worker = 0;
    assert_int_equal(box_workers(b, "Shop", &worker, 1), 1);
    snprintf(path, sizeof path, "%s/lab.lock", b->dir);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    box_kill((uint32_t)strtoul(line, NULL, 10));
    assert_true(box_until(b, is_dead, &host));
    assert_true(box_until(b, is_dead, &worker));
}

static bool was_recycled(struct box *b, void *arg)
{
    (void)arg;
    return box_count(b, "pools/Shop/recycles_by/config") > 0;
}

static void shared_configuration_reaches_every_server(void **state)
{
    struct box *a = *state, other = {0};
    char path[700], text[1000];
    box_make(a, NULL, NULL, "address = 127.0.0.2\n");
    box_make(&other, NULL, NULL, "address = 127.0.0.3\n");
    snprintf(path, sizeof path, "%s/common", a->root);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(text, sizeof text, "%s/applicationHost.config", a->dir);
    snprintf(path, sizeof path, "%s/common/applicationHost.config", a->root);
    assert_int_equal(rename(text, path), 0);
    snprintf(text, sizeof text,
             "<configuration><configurationRedirection enabled=\"true\" path=\"%s/common\" "
             "userName=\"u\" password=\"p\" /></configuration>",
             a->root);
    const struct box *both[] = {a, &other};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/redirection.config", both[i]->dir);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
    }
    box_up(a);
    box_up(&other);
    box_appcmd(a, 0, "changed", "set", "apppool", SHOP, "/processModel.idleTimeout:00:05:00", NULL);
    box_appcmd(&other, 0, "idleTimeout=\"00:05:00\"", "list", "apppool", "/xml", "/config:*", NULL);
    assert_true(box_until(&other, was_recycled, NULL));
    assert_true(box_until(a, was_recycled, NULL));
    assert_int_equal(box_count(&other, "pools/Shop/recycles_by/config"), 1);
    assert_int_equal(box_count(a, "pools/Shop/recycles_by/config"), 1);
    box_close(&other);
}

static bool told_broken(struct box *b, void *arg)
{
    (void)arg;
    return box_event(b, 5172);
}

static void broken_configuration_is_refused_and_the_old_one_goes_on(void **state)
{
    struct box *b = *state;
    char path[400];
    box_open(b, NULL, NULL, NULL);
    snprintf(path, sizeof path, "%s/applicationHost.config", b->dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("<configuration><oops>", f);
    fclose(f);
    box_appcmd(b, 13, "8007000d", "list", "apppool", NULL);
    assert_true(box_until(b, told_broken, NULL));
    assert_int_equal(box_get(b, "/").status, 200);
}

static void names_and_paths_may_be_long_and_odd(void **state)
{
    struct box *b = *state;
    char to[sizeof b->dir];
    box_make(b, NULL,
             "</add><add name=\"B\xc3\xbcro &amp; &quot;Lager&quot;\" startMode=\"AlwaysRunning\">",
             NULL);
    text_format(to, sizeof to, "%s/a folder with blanks and a name so long that %s %s", b->root,
                "no socket address could hold it, since one of those", "has room for 107 bytes");
    assert_int_equal(rename(b->dir, to), 0);
    text_copy(b->dir, sizeof b->dir, to);
    box_up(b);
    assert_true(box_until(b, answers_200, NULL));
    box_appcmd(b, 0, "APPPOOL.NAME=\"B\xc3\xbcro &amp; &quot;Lager&quot;\"", "list", "apppool",
               "/xml", NULL);
    box_appcmd(b, 0, "\"B\xc3\xbcro & \"Lager\"\" successfully recycled", "recycle", "apppool",
               "/apppool.name:B\xc3\xbcro & \"Lager\"", NULL);
    assert_int_equal(box_count(b, "pools/B\xc3\xbcro & \"Lager\"/recycles"), 1);
}

static void create_and_up_refuse_what_cannot_be(void **state)
{
    struct box *b = *state;
    char conf[400];
    box_make(b, NULL, NULL, NULL);
    assert_int_equal(box_run(b, NULL, "lab-sc", "create", b->dir, NULL), 1);
    assert_int_equal(box_run(b, NULL, "lab-sc", "up", "/nonexistent", NULL), 1);
    assert_int_equal(box_run(b, NULL, "lab-sc", "fault", "no-such-fault", NULL), 2);
    assert_int_equal(box_run(b, NULL, "lab-sc", "dance", NULL), 2);
    assert_int_equal(box_run(b, NULL, "lab-sc", "wait", b->dir, "--timeout", "50", NULL), 1);
    assert_int_equal(box_run(b, NULL, "sc", "query", NULL), 1722);
    snprintf(conf, sizeof conf, "%s/lab.conf", b->dir);
    FILE *f = fopen(conf, "ae");
    assert_non_null(f);
    fputs("\nnonsense\n", f);
    fclose(f);
    assert_int_equal(box_run(b, NULL, "lab-sc", "up", b->dir, NULL), 1);
    assert_int_equal(truncate(conf, 0), 0);
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, make_box, close_box)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ONE(codes_are_those_of_the_service_manager),
        ONE(was_and_w3svc_share_a_process),
        ONE(starting_w3svc_starts_was),
        ONE(stop_drains_workers_and_refuses_visitors),
        ONE(stuck_was_stays_in_stop_pending_until_its_host_is_killed),
        ONE(death_of_the_host_takes_both_services),
        ONE(hung_workers_survive_the_host),
        ONE(optional_services_have_their_own_processes_and_guests),
        ONE(services_can_be_made_to_fail),
        ONE(stopped_pool_comes_back_with_was_unless_autostart_is_false),
        ONE(power_cut_and_boot),
        ONE(everything_ends_with_the_service_manager),
        ONE(shared_configuration_reaches_every_server),
        ONE(broken_configuration_is_refused_and_the_old_one_goes_on),
        ONE(names_and_paths_may_be_long_and_odd),
        ONE(create_and_up_refuse_what_cannot_be),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
