/* The lab as Windows has it: WAS and W3SVC are services of the system's own manager, workers are
 * its processes. What is the same on both systems is checked in the other files; here is what the
 * manager does, and what the lab makes up for where Wine's leaves something out. */
#include "tests/lab/check/box.h"

#include "common/os.h"
#include "common/text.h"
#include "tests/lab/base/lab_os.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHOP      "/apppool.name:Shop"
#define ODD       "B\xc3\xbcro \"Lager\" \xe5\xba\x97\xe9\x93\xba"

enum { STOPPED = 1, STOP_PENDING = 3, RUNNING = 4 };

static struct box box;

static int open_box(void **state)
{
    *state = &box;
    box_open(&box, NULL,
             "</add><add name=\"B\xc3\xbcro &quot;Lager&quot; \xe5\xba\x97\xe9\x93\xba\" "
             "startMode=\"AlwaysRunning\">",
             "[service NetTcpActivator]\ndepends = WAS\nstart = demand\nhost = own\n");
    return 0;
}

static int close_box(void **state)
{
    box_close(*state);
    return 0;
}

struct expected {
    const char *service;
    json_int_t state;
};

static bool is_so(struct box *b, void *arg)
{
    const struct expected *e = arg;
    return box_service(b, e->service, "state") == e->state;
}

static void await(const char *service, json_int_t state)
{
    struct expected e = {service, state};
    if (!box_until(&box, is_so, &e))
        fail_msg("%s is in state %d, not %d", service, (int)box_service(&box, service, "state"),
                 (int)state);
}

static bool answers(struct box *b, void *arg)
{
    (void)arg;
    return box_get(b, "/").status == 200;
}

static void await_answers(void)
{
    assert_true(box_until(&box, answers, NULL));
}

static int put_right(void **state)
{
    (void)state;
    box_fault(&box, "all", "off", NULL);
    for (int i = 0; i < 3 && box_service(&box, "W3SVC", "state") != RUNNING; i++) {
        box_run(&box, NULL, "sc", "start", "W3SVC", NULL);
        box_sleep(500);
    }
    await("WAS", RUNNING);
    await("W3SVC", RUNNING);
    await_answers();
    return 0;
}

static void manager_knows_the_services_and_their_processes(void **state)
{
    struct box *b = *state;
    char *out = NULL;
    uint32_t was = (uint32_t)box_service(b, "WAS", "pid");
    assert_true(box_alive(was));
    assert_int_equal(box_service(b, "WAS", "created"), (json_int_t)lab_os_created(was));
    assert_true(box_alive((uint32_t)box_service(b, "W3SVC", "pid")));
    assert_int_equal(box_run(b, &out, "sc", "qc", "W3SVC", NULL), 0);
    assert_non_null(strstr(out, "WAS"));
    free(out);
    box_sc(b, 1060, "query", "Spooler2", NULL);
    box_sc(b, 1056, "start", "W3SVC", NULL);
}

static void recycle_under_traffic_loses_nothing(void **state)
{
    struct box *b = *state;
    uint32_t before = 0, after = 0;
    assert_int_equal(box_workers(b, "Shop", &before, 1), 1);
    struct visitors *v = box_visitors(b, 4, "/");
    box_appcmd(b, 0, "successfully recycled", "recycle", "apppool", SHOP, NULL);
    for (int i = 0; i < 500 && box_alive(before); i++)
        box_sleep(20);
    box_sleep(300);
    struct visited seen = box_visitors_end(v);
    assert_false(box_alive(before));
    assert_int_equal(box_workers(b, "Shop", &after, 1), 1);
    assert_int_not_equal(after, before);
    assert_int_equal(seen.failures, 0);
    assert_true(seen.requests > 20);
    assert_int_equal(box_ended(b, "Shop", "recycled"), 1);
}

struct search {
    const char *pool;
    unsigned found;
};

static int look_at(const struct os_process *process, void *arg)
{
    struct search *s = arg;
    for (size_t i = 1; process->argv && process->argv[0] && process->argv[i]; i++) {
        if (strcmp(process->argv[i], "-ap") == 0 && process->argv[i + 1] &&
            strcmp(process->argv[i + 1], s->pool) == 0)
            s->found++;
    }
    return 0;
}

/* From the configuration to the worker's command line, to the truth, and back through appcmd. */
static void names_of_any_kind_go_all_the_way(void **state)
{
    struct box *b = *state;
    char image[400], argument[128];
    int stopped = 0;
    struct search s = {.pool = ODD};
    snprintf(image, sizeof image, "%s/inetsrv/w3wp.exe", b->dir);
    snprintf(argument, sizeof argument, "/apppool.name:%s", ODD);
    assert_int_equal(os_processes(image, look_at, &s, &stopped, NULL), ERR_NONE);
    assert_int_equal(s.found, 1);
    box_appcmd(b, 0, ODD, "recycle", "apppool", argument, NULL);
    assert_int_equal(box_count(b, "pools/" ODD "/recycles"), 1);
}

static void killed_worker_is_told_from_one_that_crashed(void **state)
{
    struct box *b = *state;
    uint32_t worker = 0;
    assert_int_equal(box_workers(b, "Shop", &worker, 1), 1);
    box_kill(worker);
    await_answers();
    assert_int_equal(box_ended(b, "Shop", "killed"), 1);
    assert_int_equal(box_get(b, "/crash").status, -2);
    await_answers();
    assert_int_equal(box_ended(b, "Shop", "crashed"), 1);
}

static void stop_goes_from_dependents_to_was_and_start_comes_back(void **state)
{
    struct box *b = *state;
    box_sc(b, 1052, "stop", "WAS", NULL); /* while W3SVC needs it */
    box_sc(b, 0, "start", "NetTcpActivator", NULL);
    await("NetTcpActivator", RUNNING);
    box_sc(b, 0, "stop", "W3SVC", NULL);
    await("W3SVC", STOPPED);
    assert_int_equal(box_get(b, "/").status, -1);
    box_sleep(300);
    box_sc(b, 1052, "stop", "WAS", NULL); /* the other one still does */
    box_sc(b, 0, "stop", "NetTcpActivator", NULL);
    await("NetTcpActivator", STOPPED);
    box_sc(b, 0, "stop", "WAS", NULL);
    await("WAS", STOPPED);
    box_sc(b, 1062, "stop", "WAS", NULL);
    box_sc(b, 0, "start", "W3SVC", NULL); /* and WAS with it */
    await("W3SVC", RUNNING);
    await("WAS", RUNNING);
    await_answers();
}

static void stuck_was_goes_with_its_host(void **state)
{
    struct box *b = *state;
    uint32_t host = (uint32_t)box_service(b, "WAS", "pid");
    long died = box_count(b, "services/WAS/died");
    box_fault(b, "was-stuck", NULL);
    box_sc(b, 0, "stop", "W3SVC", NULL);
    await("W3SVC", STOPPED);
    box_sc(b, 0, "stop", "WAS", NULL);
    await("WAS", STOP_PENDING);
    json_int_t checkpoint = box_service(b, "WAS", "checkpoint");
    box_sleep(1500);
    assert_true(box_service(b, "WAS", "checkpoint") > checkpoint);
    box_sc(b, 1061, "stop", "WAS", NULL);
    box_kill(host);
    await("WAS", STOPPED);
    assert_int_equal(box_service(b, "WAS", "exit_code"), 1067);
    assert_int_equal(box_count(b, "services/WAS/died"), died + 1);
}

static void death_of_the_host_takes_both_services(void **state)
{
    struct box *b = *state;
    uint32_t worker = 0;
    assert_int_equal(box_workers(b, "Shop", &worker, 1), 1);
    box_kill((uint32_t)box_service(b, "WAS", "pid"));
    await("WAS", STOPPED);
    await("W3SVC", STOPPED);
    assert_int_equal(box_service(b, "W3SVC", "exit_code"), 1067);
    assert_int_equal(box_get(b, "/").status, -1);
    for (int i = 0; i < 500 && box_alive(worker); i++)
        box_sleep(20);
    assert_false(box_alive(worker));
    assert_int_equal(box_ended(b, "Shop", "host-died"), 1);
}

static void refusal_is_told_as_a_control_that_is_not_taken(void **state)
{
    struct box *b = *state;
    box_fault(b, "service-refuses-stop", "--scope", "W3SVC", NULL);
    box_sleep(500);
    box_sc(b, 1052, "stop", "W3SVC", NULL);
    assert_int_equal(box_service(b, "W3SVC", "state"), RUNNING);
}

static void failed_start_is_told_by_its_code(void **state)
{
    struct box *b = *state;
    box_sc(b, 0, "stop", "W3SVC", NULL);
    await("W3SVC", STOPPED);
    box_fault(b, "service-start-fails", "--scope", "W3SVC", "--value", "1066", NULL);
    box_sc(b, 0, "start", "W3SVC", NULL);
    await("W3SVC", STOPPED);
    assert_int_equal(box_service(b, "W3SVC", "exit_code"), 1066);
}

#define ONE(test) cmocka_unit_test_setup(test, put_right)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(manager_knows_the_services_and_their_processes),
        ONE(recycle_under_traffic_loses_nothing),
        ONE(names_of_any_kind_go_all_the_way),
        ONE(killed_worker_is_told_from_one_that_crashed),
        ONE(stop_goes_from_dependents_to_was_and_start_comes_back),
        ONE(stuck_was_goes_with_its_host),
        ONE(death_of_the_host_takes_both_services),
        ONE(refusal_is_told_as_a_control_that_is_not_taken),
        ONE(failed_start_is_told_by_its_code),
    };
    return cmocka_run_group_tests_name("lab_windows", tests, open_box, close_box);
}
