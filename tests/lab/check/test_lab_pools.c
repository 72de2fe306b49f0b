/* Pools and workers of a lab server against IIS.md sections 1, 3 and 8. One server a test. */
#include "tests/lab/check/box.h"

#include "common/clock.h"
#include "common/text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SHOP "/apppool.name:Shop"

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

struct wanted {
    const char *pool, *how;
    unsigned count;
};

static bool ended_so(struct box *b, void *arg)
{
    const struct wanted *w = arg;
    return box_ended(b, w->pool, w->how) >= w->count;
}

static void await_ended(struct box *b, const char *pool, const char *how, unsigned count)
{
    struct wanted w = {pool, how, count};
    if (!box_until(b, ended_so, &w))
        fail_msg("%s: fewer than %u workers ended as %s", pool, count, how);
}

static bool has_workers(struct box *b, void *arg)
{
    uint32_t pids[64];
    return box_workers(b, "Shop", pids, 64) == *(size_t *)arg;
}

static void await_workers(struct box *b, size_t count)
{
    if (!box_until(b, has_workers, &count))
        fail_msg("Shop never had %zu workers", count);
}

static bool is_ready(struct box *b, void *pid)
{
    return box_worker_ready(b, "Shop", *(uint32_t *)pid);
}

/* Ready too: what is switched on after this does not meet a worker that is only being born. */
static uint32_t one_worker(struct box *b)
{
    uint32_t pid = 0;
    await_workers(b, 1);
    assert_int_equal(box_workers(b, "Shop", &pid, 1), 1);
    if (!box_until(b, is_ready, &pid))
        fail_msg("worker %u of Shop was never ready", pid);
    return pid;
}

static bool answers_200(struct box *b, void *arg)
{
    (void)arg;
    return box_get(b, "/health").status == 200;
}

static void on_demand_pool_starts_its_worker_for_a_request(void **state)
{
    struct box *b = *state;
    uint32_t pids[4];
    box_open(b, "startMode=\"OnDemand\"", NULL, NULL);
    assert_int_equal(box_workers(b, "Shop", pids, 4), 0);
    struct reply r = box_send(b, "POST", "/echo", NULL, "hello");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello");
    assert_int_equal(box_workers(b, "Shop", pids, 4), 1);
    assert_int_equal(pids[0], r.pid);
    assert_int_equal(box_count(b, "pools/Shop/served"), 1);
}

static void overlapped_recycle_loses_nothing(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, "worker_start_ms = 200\n");
    uint32_t old = one_worker(b);
    struct visitors *v = box_visitors(b, 8, "/slow?ms=30");
    for (unsigned i = 1; i <= 4; i++) {
        box_sleep(150);
        box_appcmd(b, 0, "recycled", "recycle", "apppool", SHOP, NULL);
        await_ended(b, "Shop", "recycled", i);
    }
    struct visited seen = box_visitors_end(v);
    assert_true(seen.requests > 100);
    assert_int_equal(seen.failures, 0);
    assert_int_equal(seen.kept_broken, 0);
    assert_int_not_equal(one_worker(b), old);
    assert_int_equal(box_count(b, "pools/Shop/recycles_by/admin"), 4);
    assert_int_equal(box_count(b, "pools/Shop/lost"), 0);
    assert_true(box_event(b, 5079));
}

static void old_worker_finishes_what_it_has(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    uint32_t old = one_worker(b);
    struct visitors *v = box_visitors(b, 1, "/slow?ms=1200");
    box_sleep(200);
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    box_sleep(400);
    assert_true(box_alive(old));
    assert_int_not_equal(box_get(b, "/health").pid, old);
    assert_int_equal(box_visitors_end(v).failures, 0);
    await_ended(b, "Shop", "recycled", 1);
}

static void without_overlap_requests_wait_for_the_next_worker(void **state)
{
    struct box *b = *state;
    box_open(b, "startMode=\"OnDemand\"", "<recycling disallowOverlappingRotation=\"true\" />",
             NULL);
    uint32_t old = box_get(b, "/health").pid, pids[4];
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    await_ended(b, "Shop", "recycled", 1);
    assert_int_equal(box_workers(b, "Shop", pids, 4), 0);
    old = box_get(b, "/health").pid;
    struct visitors *v = box_visitors(b, 1, "/slow?ms=800");
    box_sleep(200);
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    assert_true(box_alive(old));
    struct reply r = box_get(b, "/health"); /* comes when the old one is gone */
    assert_int_equal(r.status, 200);
    assert_int_not_equal(r.pid, old);
    assert_false(box_alive(old));
    assert_int_equal(box_visitors_end(v).failures, 0);
}

static void recycle_of_an_idle_pool_does_nothing(void **state)
{
    struct box *b = *state;
    box_open(b, "startMode=\"OnDemand\"", NULL, NULL);
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    assert_int_equal(box_count(b, "pools/Shop/recycles"), 0);
}

static void stopped_pool_answers_503_disabled(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_appcmd(b, 0, NULL, "stop", "apppool", SHOP, NULL);
    struct reply r = box_get(b, "/");
    assert_int_equal(r.status, 503);
    assert_string_equal(r.reason, "Disabled");
    assert_int_equal(box_count(b, "pools/Shop/rejected/Disabled"), 1);
    assert_int_equal(box_get(b, "/api").status, 200);
    box_appcmd(b, 0, NULL, "start", "apppool", SHOP, NULL);
    assert_int_equal(box_get(b, "/").status, 200);
}

/* stop blocks until the worker has gone, at most shutdownTimeLimit; meanwhile 1061. */
static void stop_waits_for_the_worker_and_then_kills_it(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, "<processModel shutdownTimeLimit=\"00:00:01\" />", NULL);
    uint32_t old = one_worker(b);
    box_fault(b, "worker-ignores-stop", "on", "--scope", "Shop", NULL);
    uint64_t before = clock_boot_ms();
    box_appcmd(b, 258, "80070102", "stop", "apppool", SHOP, "/wait", "/timeout:300", NULL);
    box_appcmd(b, 1061, "80070425", "stop", "apppool", SHOP, NULL);
    box_appcmd(b, 1061, NULL, "start", "apppool", SHOP, NULL);
    box_appcmd(b, 0, "state:Stopping", "list", "apppool", SHOP, NULL);
    assert_true(box_alive(old));
    await_ended(b, "Shop", "overdue", 1);
    assert_true(clock_boot_ms() - before >= 1000);
    assert_true(box_event(b, 5013));
    box_appcmd(b, 0, "state:Stopped", "list", "apppool", SHOP, NULL);
}

static void worker_ignores_its_stop_for_a_time(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_fault(b, "worker-ignores-stop", "on", "--value", "1", NULL);
    uint64_t before = clock_boot_ms();
    box_appcmd(b, 0, "stopped", "stop", "apppool", SHOP, NULL);
    assert_true(clock_boot_ms() - before >= 1000);
    assert_int_equal(box_ended(b, "Shop", "stopped"), 1);
}

static void killed_worker_loses_its_requests_and_is_replaced(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    uint32_t old = one_worker(b);
    struct visitors *v = box_visitors(b, 3, "/slow?ms=2000");
    box_sleep(300);
    box_kill(old);
    await_ended(b, "Shop", "killed", 1);
    assert_true(box_until(b, answers_200, NULL));
    struct visited seen = box_visitors_end(v);
    assert_int_equal(seen.failures, 3);
    assert_int_equal(box_count(b, "pools/Shop/lost"), 3);
    assert_int_equal(box_count(b, "pools/Shop/kills"), 1);
    assert_true(box_event(b, 5009));
}

static bool is_offline(struct box *b, void *arg)
{
    (void)arg;
    return strcmp(box_get(b, "/").reason, "AppOffline") == 0;
}

static void rapid_fail_stops_the_pool_after_five(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_fault(b, "worker-crashes", "on", "--scope", "Shop", "--value", "1", NULL);
    assert_true(box_until(b, is_offline, NULL));
    assert_int_equal(box_count(b, "pools/Shop/crashes"), 5);
    assert_int_equal(box_count(b, "pools/Shop/rapid_fails"), 1);
    assert_true(box_event(b, 5002));
    box_appcmd(b, 0, "state:Stopped", "list", "apppool", SHOP, NULL);
    box_fault(b, "all", "off", NULL);
    box_appcmd(b, 0, NULL, "start", "apppool", SHOP, NULL);
    assert_true(box_until(b, answers_200, NULL));
}

static void behind_tcp_an_offline_pool_cuts_the_connection(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, "<failure loadBalancerCapabilities=\"TcpLevel\" />",
             "[fault identity-fails Shop]\n");
    assert_int_equal(box_get(b, "/").status, -2);
    assert_int_equal(box_count(b, "pools/Shop/identity_tries"), 1);
    assert_true(box_event(b, 5021) && box_event(b, 5057) && box_event(b, 5059));
}

static void worker_that_cannot_start_ends_in_rapid_fail(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, "<failure rapidFailProtectionMaxCrashes=\"3\" />",
             "[fault worker-cannot-start Shop]\n");
    assert_true(box_until(b, is_offline, NULL));
    assert_int_equal(box_ended(b, "Shop", "crashed"), 3);
}

static bool garden_has_three(struct box *b, void *arg)
{
    uint32_t pids[8];
    (void)arg;
    for (int i = 0; i < 3; i++)
        box_get(b, "/health");
    return box_workers(b, "Shop", pids, 8) == 3;
}

static void garden_of_three_is_replaced_whole(void **state)
{
    struct box *b = *state;
    uint32_t before[8], after[8];
    box_open(b, "startMode=\"OnDemand\"", "<processModel maxProcesses=\"3\" />", NULL);
    assert_true(box_until(b, garden_has_three, NULL));
    assert_int_equal(box_workers(b, "Shop", before, 8), 3);
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    await_ended(b, "Shop", "recycled", 3);
    assert_int_equal(box_workers(b, "Shop", after, 8), 3);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++)
            assert_int_not_equal(before[i], after[k]);
    }
    assert_int_equal(box_count(b, "pools/Shop/recycles"), 1);
}

static void full_queue_is_503_queue_full(void **state)
{
    struct box *b = *state;
    box_open(b, "startMode=\"AlwaysRunning\" queueLength=\"10\"", NULL, "threads = 2\n");
    one_worker(b);
    struct visitors *v = box_visitors(b, 16, "/slow?ms=700");
    box_sleep(300);
    struct reply r = box_get(b, "/health");
    assert_int_equal(r.status, 503);
    assert_string_equal(r.reason, "QueueFull");
    struct visited seen = box_visitors_end(v);
    assert_true(seen.failures >= 4);
    assert_true(box_count(b, "pools/Shop/rejected/QueueFull") >= 5);
}

static void idle_worker_ends_quietly(void **state)
{
    struct box *b = *state;
    box_open(b, "startMode=\"OnDemand\"", "<processModel idleTimeout=\"00:00:01\" />", NULL);
    assert_int_equal(box_get(b, "/").status, 200);
    await_ended(b, "Shop", "idle", 1);
    assert_true(box_event(b, 5186));
    box_appcmd(b, 0, "state:Started", "list", "apppool", SHOP, NULL);
    assert_int_equal(box_get(b, "/").status, 200);
}

static bool is_suspended(struct box *b, void *arg)
{
    char path[64], line[512] = "";
    (void)b;
    snprintf(path, sizeof path, "/proc/%u/stat", *(uint32_t *)arg);
    FILE *f = fopen(path, "re");
    bool read = f && fgets(line, sizeof line, f);
    if (f)
        fclose(f);
    return read && strstr(line, ") T ");
}

static void suspended_worker_wakes_for_a_request(void **state)
{
    struct box *b = *state;
    box_open(b, "startMode=\"OnDemand\"",
             "<processModel idleTimeout=\"00:00:01\" idleTimeoutAction=\"Suspend\" />", NULL);
    uint32_t pid = box_get(b, "/").pid;
    assert_true(box_until(b, is_suspended, &pid));
    uint64_t before = clock_boot_ms();
    assert_int_equal(box_get(b, "/").pid, pid);
    assert_true(clock_boot_ms() - before >= 150);
    assert_false(is_suspended(b, &pid));
    assert_true(box_until(b, is_suspended, &pid));
    box_appcmd(b, 0, NULL, "stop", "apppool", SHOP, NULL);
    assert_int_equal(box_ended(b, "Shop", "stopped"), 1);
}

static void hung_worker_is_killed_by_its_ping(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, "<processModel pingInterval=\"00:00:01\" pingResponseTime=\"00:00:01\" />",
             NULL);
    uint32_t old = one_worker(b);
    box_fault(b, "worker-hangs", "on", "--scope", "Shop", NULL);
    await_ended(b, "Shop", "unresponsive", 1);
    assert_true(box_event(b, 5010));
    assert_false(box_alive(old));
    box_fault(b, "worker-hangs", "off", "--scope", "Shop", NULL);
    assert_true(box_until(b, answers_200, NULL));
}

static void orphan_stays_behind(void **state)
{
    struct box *b = *state;
    box_open(b, NULL,
             "<processModel pingInterval=\"00:00:01\" pingResponseTime=\"00:00:01\" />"
             "<failure orphanWorkerProcess=\"true\" />",
             NULL);
    uint32_t old = one_worker(b);
    box_fault(b, "worker-hangs", "3", "--scope", "Shop", NULL);
    await_ended(b, "Shop", "orphaned", 1);
    box_fault(b, "worker-hangs", "off", "--scope", "Shop", NULL);
    assert_true(box_until(b, answers_200, NULL));
    assert_true(box_alive(old));
    assert_int_not_equal(one_worker(b), old);
    box_down(b);
    assert_false(box_alive(old));
}

static void successor_that_is_not_ready_leaves_the_old_one(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, "<processModel startupTimeLimit=\"00:00:01\" />", NULL);
    uint32_t old = one_worker(b);
    box_fault(b, "worker-slow-start", "on", "--scope", "Shop", NULL);
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    await_ended(b, "Shop", "unready", 1);
    assert_true(box_event(b, 5012));
    assert_int_equal(box_get(b, "/").pid, old);
}

static void sick_successor_answers_500_with_a_new_pid(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    uint32_t old = one_worker(b);
    box_fault(b, "worker-500", "on", "--scope", "Shop", NULL);
    assert_int_equal(box_get(b, "/").status, 200);
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    await_ended(b, "Shop", "recycled", 1);
    struct reply r = box_get(b, "/");
    assert_int_equal(r.status, 500);
    assert_int_not_equal(r.pid, old);
    box_appcmd(b, 0, "state:Started", "list", "apppool", SHOP, NULL);
}

/* The file is everybody's who names it: one removal, and all of them answer 500. */
static void lost_database_is_an_answer_of_500(void **state)
{
    struct box *b = *state;
    char path[400], lab[480];
    snprintf(path, sizeof path, "/tmp/farmhand-lab-database-%d", (int)getpid());
    snprintf(lab, sizeof lab, "[server]\ndatabase = %s\n", path);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fclose(f);
    box_open(b, NULL, NULL, lab);
    uint32_t worker = one_worker(b);
    assert_int_equal(box_get(b, "/").status, 200);
    remove(path);
    assert_int_equal(box_get(b, "/").status, 500);
    assert_int_equal(box_get(b, "/health").status, 500);
    assert_int_equal(one_worker(b), worker);
}

static void deployment_answers_503_by_the_application(void **state)
{
    struct box *b = *state;
    char path[400];
    box_open(b, NULL, NULL, NULL);
    snprintf(path, sizeof path, "%s/sites/Shop/app_offline.htm", b->dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("back soon", f);
    fclose(f);
    struct reply r = box_get(b, "/");
    assert_int_equal(r.status, 503);
    assert_string_equal(r.reason, "");
    assert_string_equal(r.body, "back soon");
    assert_int_not_equal(r.pid, 0);
    remove(path);
    assert_int_equal(box_get(b, "/").status, 200);
}

static void session_dies_with_its_process(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    assert_string_equal(box_get(b, "/session").body, "new\n");
    box_appcmd(b, 0, NULL, "recycle", "apppool", SHOP, NULL);
    await_ended(b, "Shop", "recycled", 1);
    assert_string_equal(box_send(b, "GET", "/session", "Cookie: LabSession=1f\r\n", NULL).body,
                        "new\n");
}

static void kernel_cache_answers_for_a_dead_pool(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_fault(b, "kernel-cache", "on", "--scope", "Shop", NULL);
    uint32_t pid = box_get(b, "/health").pid;
    box_appcmd(b, 0, NULL, "stop", "apppool", SHOP, NULL);
    struct reply r = box_get(b, "/health");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.pid, pid);
    assert_int_equal(box_get(b, "/health?unique=1").status, 503);
    assert_int_equal(box_send(b, "GET", "/health", "Cache-Control: no-store\r\n", NULL).status,
                     503);
}

static bool refuses(struct box *b, void *arg)
{
    (void)arg;
    return box_get(b, "/").status == -1;
}

static void refused_site_closes_its_port(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    box_fault(b, "site-refuses", "on", "--scope", "Shop", NULL);
    assert_true(box_until(b, refuses, NULL));
    assert_int_equal(box_service(b, "W3SVC", "state"), 4);
    box_fault(b, "site-refuses", "off", "--scope", "Shop", NULL);
    assert_true(box_until(b, answers_200, NULL));
}

static void pool_recycles_itself_by_requests_and_memory(void **state)
{
    struct box *b = *state;
    box_open(b, NULL,
             "<recycling><periodicRestart requests=\"5\" privateMemory=\"60000\" /></recycling>",
             NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(box_get(b, "/").status, 200);
    await_ended(b, "Shop", "recycled", 1);
    assert_int_equal(box_count(b, "pools/Shop/recycles_by/requests"), 1);
    assert_true(box_event(b, 5075));
    box_fault(b, "worker-leaks", "on", "--scope", "Shop", "--value", "200000", NULL);
    await_ended(b, "Shop", "recycled", 2);
    assert_true(box_count(b, "pools/Shop/recycles_by/memory") >= 1);
    assert_true(box_event(b, 5117));
}

static uint32_t child_of(uint32_t parent)
{
    char path[64], line[64] = "";
    snprintf(path, sizeof path, "/proc/%u/task/%u/children", parent, parent);
    FILE *f = fopen(path, "re");
    bool read = f && fgets(line, sizeof line, f);
    if (f)
        fclose(f);
    return read ? (uint32_t)strtoul(line, NULL, 10) : 0;
}

static void out_of_process_application_is_a_child(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, "[pool Shop]\nout_of_process = yes\n");
    uint32_t worker = one_worker(b), child = 0;
    for (int i = 0; i < 100 && !(child = child_of(worker)); i++)
        box_sleep(20);
    assert_int_not_equal(child, 0);
    box_kill(child);
    for (int i = 0; i < 100 && (child_of(worker) == child || !child_of(worker)); i++)
        box_sleep(20);
    child = child_of(worker);
    assert_int_not_equal(child, 0);
    box_appcmd(b, 0, NULL, "stop", "apppool", SHOP, NULL);
    for (int i = 0; i < 100 && box_alive(child); i++)
        box_sleep(20);
    assert_false(box_alive(child));
}

static void bad_requests_do_no_harm(void **state)
{
    struct box *b = *state;
    box_open(b, NULL, NULL, NULL);
    assert_int_equal(box_send(b, "NONSENSE", "nowhere", NULL, NULL).status, 400);
    assert_int_equal(box_send(b, "POST", "/", "Content-Length: 99999999\r\n", NULL).status, 413);
    assert_int_equal(
        box_send(b, "POST", "/echo", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", NULL).status, 400);
    assert_int_equal(box_get(b, "/health").status, 200);
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, make_box, close_box)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ONE(on_demand_pool_starts_its_worker_for_a_request),
        ONE(overlapped_recycle_loses_nothing),
        ONE(old_worker_finishes_what_it_has),
        ONE(without_overlap_requests_wait_for_the_next_worker),
        ONE(recycle_of_an_idle_pool_does_nothing),
        ONE(stopped_pool_answers_503_disabled),
        ONE(stop_waits_for_the_worker_and_then_kills_it),
        ONE(worker_ignores_its_stop_for_a_time),
        ONE(killed_worker_loses_its_requests_and_is_replaced),
        ONE(rapid_fail_stops_the_pool_after_five),
        ONE(behind_tcp_an_offline_pool_cuts_the_connection),
        ONE(worker_that_cannot_start_ends_in_rapid_fail),
        ONE(garden_of_three_is_replaced_whole),
        ONE(full_queue_is_503_queue_full),
        ONE(idle_worker_ends_quietly),
        ONE(suspended_worker_wakes_for_a_request),
        ONE(hung_worker_is_killed_by_its_ping),
        ONE(orphan_stays_behind),
        ONE(successor_that_is_not_ready_leaves_the_old_one),
        ONE(sick_successor_answers_500_with_a_new_pid),
        ONE(lost_database_is_an_answer_of_500),
        ONE(deployment_answers_503_by_the_application),
        ONE(session_dies_with_its_process),
        ONE(kernel_cache_answers_for_a_dead_pool),
        ONE(refused_site_closes_its_port),
        ONE(pool_recycles_itself_by_requests_and_memory),
        ONE(out_of_process_application_is_a_child),
        ONE(bad_requests_do_no_harm),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
