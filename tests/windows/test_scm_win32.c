/* The service manager of Windows as a back end, calls that hang, dumps, and the lock of the
 * configuration; on whatever Windows there is (Wine in our tests). This program is the test, and,
 * as `--service NAME`, also each of the services that it makes. */
#include "agent/drivers/dump.h"
#include "agent/drivers/guard_win32.h"
#include "agent/drivers/iis_lock.h"
#include "agent/drivers/scm.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/windows/own_services.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENOUGH_MS 30000
#define SHORT_MS  700
#define LATE_MS   5000

/* ---- the world ---- */

struct world {
    struct scm *scm;
    HANDLE stuck;
};

static int make_world(void **state)
{
    struct world *w = must_alloc(1, sizeof(*w));
    own_services_make();
    must(scm_windows_ops.open(NULL, NULL, &w->scm, NULL) == ERR_NONE);
    *state = w;
    return 0;
}

static int end_world(void **state)
{
    struct world *w = *state;
    w->scm->ops->close(w->scm);
    free(w);
    return 0;
}

static void expect(enum error_code code, enum error_code expected, const struct error *err,
                   const char *what)
{
    if (code != expected)
        fail_msg("%s: %s instead of %s (%s)", what, error_code_name(code),
                 error_code_name(expected), code ? err->text : "");
}

static void start(struct world *w, const char *name, enum error_code expected)
{
    struct error err;
    expect(w->scm->ops->start(w->scm, name, ENOUGH_MS, &err), expected, &err, name);
}

static void stop(struct world *w, const char *name, enum error_code expected)
{
    struct error err;
    expect(w->scm->ops->stop(w->scm, name, ENOUGH_MS, &err), expected, &err, name);
}

static void await(struct world *w, const char *name, enum service_state state)
{
    struct error err;
    expect(scm_wait(w->scm, name, state, ENOUGH_MS, &err), ERR_NONE, &err, name);
}

static struct scm_rows query(struct world *w)
{
    struct scm_rows rows;
    struct error err;
    expect(w->scm->ops->query(w->scm, ENOUGH_MS, &rows, &err), ERR_NONE, &err, "query");
    return rows;
}

static bool needs(const struct scm_rows *rows, const char *service, const char *other)
{
    for (size_t i = 0; i < rows->need_count; i++)
        if (text_equal_nocase(rows->needs[i].service, service) &&
            text_equal_nocase(rows->needs[i].needs, other))
            return true;
    return false;
}

/* ---- services ---- */

static void services_of_iis_are_seen_with_who_needs_whom(void **state)
{
    struct scm_rows rows = query(*state);
    const struct scm_row *was = scm_rows_find(&rows, "WAS");
    assert_true(rows.known);
    assert_non_null(was);
    assert_int_equal(was->state, SVC_STOPPED);
    assert_int_equal(was->start, SVC_START_DEMAND);
    assert_true(needs(&rows, "W3SVC", "WAS"));
    assert_true(needs(&rows, "NetTcpActivator", "WAS"));
    assert_null(scm_rows_find(&rows, "Bystander"));
    scm_rows_reset(&rows);
    rows = query(*state); /* with what is remembered of the needs */
    assert_true(needs(&rows, "W3SVC", "WAS"));
    scm_rows_reset(&rows);
}

static void start_brings_up_what_is_needed_and_stop_keeps_its_order(void **state)
{
    struct world *w = *state;
    struct error err;
    start(w, "W3SVC", ERR_NONE);
    await(w, "W3SVC", SVC_RUNNING);
    await(w, "WAS", SVC_RUNNING);
    start(w, "W3SVC", ERR_EXISTS);
    struct scm_rows rows = query(w);
    assert_int_not_equal(scm_rows_find(&rows, "WAS")->pid, 0);
    scm_rows_reset(&rows);
    expect(w->scm->ops->stop(w->scm, "WAS", ENOUGH_MS, &err), ERR_STATE, &err, "WAS");
    assert_non_null(strstr(err.text, "W3SVC"));
    stop(w, "W3SVC", ERR_NONE);
    await(w, "W3SVC", SVC_STOPPED);
    stop(w, "W3SVC", ERR_EXISTS);
    stop(w, "WAS", ERR_NONE);
    await(w, "WAS", SVC_STOPPED);
}

static void disabled_and_unknown_are_told(void **state)
{
    struct world *w = *state;
    struct error err;
    struct scm_rows rows;
    expect(w->scm->ops->set_start(w->scm, "Bystander", SVC_START_DISABLED, ENOUGH_MS, &err),
           ERR_NONE, &err, "disable");
    start(w, "Bystander", ERR_STATE);
    expect(w->scm->ops->set_start(w->scm, "Bystander", SVC_START_DEMAND, ENOUGH_MS, &err), ERR_NONE,
           &err, "enable");
    start(w, "Bystander", ERR_NONE);
    await(w, "Bystander", SVC_RUNNING);
    stop(w, "Bystander", ERR_NONE);
    await(w, "Bystander", SVC_STOPPED);
    start(w, "No such service", ERR_NOT_FOUND);
    stop(w, "No such service", ERR_NOT_FOUND);
    expect(w->scm->ops->lodgers(w->scm, "No such service", 0, ENOUGH_MS, &rows, &err),
           ERR_NOT_FOUND, &err, "lodgers");
}

/* Wine does not notice that the process of a service died, so its state is not asked after that. */
static void service_that_hangs_in_its_stop_is_waited_for_and_killed(void **state)
{
    struct world *w = *state;
    struct driver_host host;
    struct os_process process;
    struct error err;
    start(w, "WAS", ERR_NONE);
    await(w, "WAS", SVC_RUNNING);
    w->stuck = CreateEventW(NULL, TRUE, FALSE, OWN_SERVICES_STUCK);
    stop(w, "WAS", ERR_NONE);
    uint64_t began = clock_boot_ms();
    expect(scm_wait(w->scm, "WAS", SVC_STOPPED, SHORT_MS, &err), ERR_TIMEOUT, &err, "wait");
    assert_true(clock_boot_ms() - began < SHORT_MS + LATE_MS);
    assert_non_null(strstr(err.text, "STOP_PENDING"));
    expect(scm_host(w->scm, "WAS", ENOUGH_MS, &host, &err), ERR_NONE, &err, "host");
    assert_int_not_equal(host.pid, 0);
    assert_int_equal(host.lodger_count, 1);
    assert_true(host.lodgers[0].expendable);
    expect(scm_kill_host(w->scm, "WAS", host.pid, host.created + 1, ENOUGH_MS, &err), ERR_STATE,
           &err, "another process");
    expect(scm_kill_host(w->scm, "WAS", host.pid, host.created, ENOUGH_MS, &err), ERR_NONE, &err,
           "kill");
    while (os_process_find(host.pid, &process, NULL) == ERR_NONE &&
           process.created == host.created) {
        assert_true(clock_boot_ms() - began < ENOUGH_MS);
        clock_sleep_ms(20);
    }
    expect(scm_kill_host(w->scm, "WAS", host.pid, host.created, ENOUGH_MS, &err), ERR_EXISTS, &err,
           "kill again");
    sys_close(&w->stuck);
}

#define REBOOT                                                                                     \
    L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending"

/* As Windows' own setup leaves it until the restart. */
static void machine_that_waits_for_a_reboot_bars_its_services(void **state)
{
    struct world *w = *state;
    HKEY key;
    struct scm_rows rows = query(w);
    assert_string_equal(rows.barred, "");
    scm_rows_reset(&rows);
    assert_int_equal(RegCreateKeyExW(HKEY_LOCAL_MACHINE, REBOOT, 0, NULL, REG_OPTION_VOLATILE,
                                     KEY_QUERY_VALUE, NULL, &key, NULL),
                     ERROR_SUCCESS);
    RegCloseKey(key);
    rows = query(w);
    assert_non_null(strstr(rows.barred, "a reboot of the machine is pending"));
    scm_rows_reset(&rows);
    assert_int_equal(RegDeleteKeyW(HKEY_LOCAL_MACHINE, REBOOT), ERROR_SUCCESS);
    rows = query(w);
    assert_string_equal(rows.barred, "");
    scm_rows_reset(&rows);
}

/* Wine has neither: what counts is that the answer is "not known", in time. */
static void figures_that_cannot_be_had_are_unknown(void **state)
{
    struct world *w = *state;
    struct scm_counters counters;
    struct event_entries entries;
    for (int i = 0; i < 2; i++) {
        if (w->scm->ops->counters(w->scm, ENOUGH_MS, &counters, NULL) == ERR_NONE)
            scm_counters_reset(&counters);
        if (w->scm->ops->events(w->scm, ENOUGH_MS, &entries, NULL) == ERR_NONE)
            event_entries_reset(&entries);
    }
}

/* ---- calls that hang ---- */

struct slow_call {
    struct guard_call call;
    DWORD ms;
    volatile LONG *released;
};

static uint32_t run_slow(struct guard_call *call)
{
    Sleep(((struct slow_call *)call)->ms);
    return 42;
}

static void release_slow(struct guard_call *call)
{
    InterlockedIncrement(((struct slow_call *)call)->released);
    free(call);
}

static enum error_code call_slow(DWORD ms, volatile LONG *released, uint64_t timeout_ms)
{
    struct slow_call *call = must_alloc(1, sizeof(*call));
    uint32_t result = 0;
    *call = (struct slow_call){{run_slow, release_slow}, ms, released};
    enum error_code code = guard_run(&call->call, timeout_ms, "a slow one", &result, NULL);
    if (code == ERR_NONE) {
        assert_int_equal(result, 42);
        release_slow(&call->call);
    }
    return code;
}

static void call_that_hangs_is_given_up_and_released_later(void **state)
{
    (void)state;
    static volatile LONG released;
    uint64_t began = clock_boot_ms();
    assert_int_equal(call_slow(0, &released, ENOUGH_MS), ERR_NONE);
    assert_int_equal(call_slow(0, &released, 0), ERR_TIMEOUT);
    assert_int_equal(released, 2);
    assert_int_equal(call_slow(2000, &released, 100), ERR_TIMEOUT);
    while (released < 3) {
        assert_true(clock_boot_ms() - began < ENOUGH_MS);
        clock_sleep_ms(20);
    }
}

/* ---- dumps ---- */

static char *dump_path(const char *name)
{
    wchar_t folder[MAX_PATH];
    struct text path = {0};
    GetTempPathW(MAX_PATH, folder);
    char *utf8 = sys_utf8(folder);
    text_addf(&path, "%s%s", utf8, name);
    free(utf8);
    wchar_t *wide = sys_wide(text_get(&path));
    DeleteFileW(wide);
    free(wide);
    return text_take(&path);
}

static bool exists(const char *path)
{
    struct os_file_id id = {0};
    return os_file_id(path, &id, NULL) == ERR_NONE && (id.size_bytes | id.modified_ns | id.inode);
}

static void worker_is_pictured_within_limits(void **state)
{
    struct world *w = *state;
    struct driver_host host;
    struct error err;
    char *path = dump_path("farmhand test.dmp");
    struct driver_dump_limits limits = {
        .timeout_ms = 60000, .max_bytes = (uint64_t)1 << 30, .keep_free_bytes = 1 << 20};
    uint64_t bytes = 0;
    size_t len;
    char *content;
    start(w, "Bystander", ERR_NONE);
    await(w, "Bystander", SVC_RUNNING);
    expect(scm_host(w->scm, "Bystander", ENOUGH_MS, &host, &err), ERR_NONE, &err, "host");
    expect(dump_process(host.pid, host.created + 1, path, &limits, &bytes, &err), ERR_NOT_FOUND,
           &err, "another time");
    assert_false(exists(path));
    expect(dump_process(host.pid, host.created, path, &limits, &bytes, &err), ERR_NONE, &err,
           "dump");
    expect(os_read_file(path, (size_t)1 << 30, &content, &len, &err), ERR_NONE, &err, "read");
    assert_int_equal(len, bytes);
    assert_memory_equal(content, "MDMP", 4);
    free(content);
    expect(dump_process(host.pid, host.created, path, &limits, &bytes, &err), ERR_EXISTS, &err,
           "again");
    free(path);
    path = dump_path("farmhand test 2.dmp");
    limits.max_bytes = 100;
    expect(dump_process(host.pid, host.created, path, &limits, &bytes, &err), ERR_FULL, &err,
           "too large");
    assert_false(exists(path));
    limits.max_bytes = (uint64_t)1 << 30;
    limits.keep_free_bytes = UINT64_MAX / 2;
    expect(dump_process(host.pid, host.created, path, &limits, &bytes, &err), ERR_FULL, &err,
           "no room");
    assert_false(exists(path));
    free(path);
    stop(w, "Bystander", ERR_NONE);
    await(w, "Bystander", SVC_STOPPED);
}

/* ---- the lock ---- */

static enum error_code take_elsewhere(uint64_t within_ms)
{
    struct iis_lock lock;
    enum error_code code = iis_lock_take(&lock, within_ms, NULL);
    iis_lock_give(&lock);
    return code;
}

static void configuration_is_changed_by_one_at_a_time(void **state)
{
    (void)state;
    struct iis_lock lock;
    struct error err = {0};
    if (iis_lock_take(&lock, 1000, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    uint64_t began_ms = clock_boot_ms();
    assert_int_equal(take_elsewhere(300), ERR_BUSY);
    assert_true(clock_boot_ms() - began_ms >= 300); /* it may come free meanwhile */
    iis_lock_give(&lock);
    assert_int_equal(take_elsewhere(0), ERR_NONE);
}

/* This program again, with `--hold-lock`. */
static int hold_lock(void)
{
    struct iis_lock lock;
    if (iis_lock_take(&lock, 1000, NULL) != ERR_NONE)
        return 1;
    Sleep(INFINITE);
    return 0;
}

static void another_process_that_dies_lets_the_configuration_go(void **state)
{
    (void)state;
    wchar_t line[MAX_PATH + 32], path[MAX_PATH];
    STARTUPINFOW start = {.cb = sizeof(start)};
    PROCESS_INFORMATION made;
    uint64_t until_ms = clock_boot_ms() + 60000;
    assert_true(GetModuleFileNameW(NULL, path, MAX_PATH) > 0);
    swprintf(line, MAX_PATH + 32, L"\"%ls\" --hold-lock", path);
    assert_true(CreateProcessW(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &made));
    while (take_elsewhere(0) != ERR_BUSY) {
        assert_true(clock_boot_ms() < until_ms);
        clock_sleep_ms(20);
    }
    TerminateProcess(made.hProcess, 9);
    assert_int_equal(take_elsewhere(30000), ERR_NONE);
    CloseHandle(made.hThread);
    CloseHandle(made.hProcess);
}

/* What it says is not that somebody else is at it. */
static void lock_whose_file_cannot_be_opened_says_so(void **state)
{
    (void)state;
    struct iis_lock lock;
    struct error err = {0};
    wchar_t wide[MAX_PATH];
    assert_int_equal(take_elsewhere(0), ERR_NONE);
    assert_true(ExpandEnvironmentStringsW(L"%ProgramData%\\Farmhand\\iis.lock", wide, MAX_PATH) > 0);
    HANDLE alone = CreateFileW(wide, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    assert_true(alone != INVALID_HANDLE_VALUE);
    assert_true(iis_lock_take(&lock, 0, &err) != ERR_NONE);
    assert_non_null(strstr(err.text, "iis.lock"));
    iis_lock_give(&lock);
    CloseHandle(alone);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_of_iis_are_seen_with_who_needs_whom),
        cmocka_unit_test(start_brings_up_what_is_needed_and_stop_keeps_its_order),
        cmocka_unit_test(disabled_and_unknown_are_told),
        cmocka_unit_test(machine_that_waits_for_a_reboot_bars_its_services),
        cmocka_unit_test(figures_that_cannot_be_had_are_unknown),
        cmocka_unit_test(call_that_hangs_is_given_up_and_released_later),
        cmocka_unit_test(worker_is_pictured_within_limits),
        cmocka_unit_test(configuration_is_changed_by_one_at_a_time),
        cmocka_unit_test(another_process_that_dies_lets_the_configuration_go),
        cmocka_unit_test(lock_whose_file_cannot_be_opened_says_so),
        cmocka_unit_test(service_that_hangs_in_its_stop_is_waited_for_and_killed),
    };
    if (argc > 1 && text_equal(argv[1], "--hold-lock"))
        return hold_lock();
    if (argc > 1 && text_equal(argv[1], "--service"))
        return own_services_serve();
    return cmocka_run_group_tests(tests, make_world, end_world);
}
