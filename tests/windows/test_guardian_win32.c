/* The guardian as a process of Windows: it outlives whoever started it, starts what ran, and goes
 * when it is sent away. This program is the test, the services, and the guardian. */
#include "agent/drivers/scm.h"
#include "agent/guardian.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/program.h"
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

#define WAIT_MS 60000

struct scene {
    char *folder, *order_path, *done_path;
    struct scm *scm;
    struct guardian_order order;
};

static char *join(const char *folder, const char *name)
{
    struct text path = {0};
    text_addf(&path, "%s/%s", folder, name);
    return text_take(&path);
}

/* With a blank and letters beyond ASCII, as a data_dir may have them. */
static char *make_folder(void)
{
    wchar_t temp[MAX_PATH];
    must(GetTempPathW(MAX_PATH, temp) > 0);
    char *utf8 = sys_utf8(temp);
    char *folder = join(utf8, "farmhand guardian \xC3\xBC");
    free(utf8);
    must(os_make_dir(folder, 0700, NULL) == ERR_NONE);
    return folder;
}

static int open_scene(void **state)
{
    struct scene *s = must_alloc(1, sizeof(*s));
    struct os_process self;
    own_services_make();
    s->folder = make_folder();
    s->order_path = join(s->folder, "guardian.order");
    s->done_path = join(s->folder, "guardian.done");
    must(scm_windows_ops.open(NULL, NULL, &s->scm, NULL) == ERR_NONE);
    must(os_process_find(GetCurrentProcessId(), &self, NULL) == ERR_NONE);
    s->order = (struct guardian_order){.id = "00112233445566778899aabbccddeeff",
                                       .agent_pid = self.pid,
                                       .agent_created = self.created,
                                       .within_ms = WAIT_MS,
                                       .grace_ms = 300,
                                       .backend = "windows",
                                       .services = "WAS\nW3SVC\nNetTcpActivator"};
    *state = s;
    return 0;
}

static void stop(struct scene *s, const char *name)
{
    if (s->scm->ops->stop(s->scm, name, WAIT_MS, NULL) == ERR_NONE)
        scm_wait(s->scm, name, SVC_STOPPED, WAIT_MS, NULL);
}

static int close_scene(void **state)
{
    struct scene *s = *state;
    os_remove_file(s->order_path, NULL); /* whoever stands by still goes */
    os_remove_file(s->done_path, NULL);
    stop(s, "W3SVC");
    stop(s, "NetTcpActivator");
    stop(s, "WAS");
    s->scm->ops->close(s->scm);
    free(s->folder);
    free(s->order_path);
    free(s->done_path);
    free(s);
    return 0;
}

static bool exists(const char *path)
{
    struct os_file_id id = {0};
    return os_file_id(path, &id, NULL) == ERR_NONE && (id.size_bytes | id.modified_ns | id.inode);
}

static enum service_state state_of(struct scene *s, const char *name)
{
    struct scm_rows rows;
    must(s->scm->ops->query(s->scm, WAIT_MS, &rows, NULL) == ERR_NONE);
    const struct scm_row *row = scm_rows_find(&rows, name);
    enum service_state state = row ? row->state : SVC_ABSENT;
    scm_rows_reset(&rows);
    return state;
}

static int count_one(const struct os_process *process, void *arg)
{
    (void)process;
    *(int *)arg += 1;
    return 0;
}

/* Processes of this program: the test itself, services, guardians. */
static int count_processes(void)
{
    wchar_t path[MAX_PATH];
    int count = 0;
    must(GetModuleFileNameW(NULL, path, MAX_PATH) > 0);
    char *utf8 = sys_utf8(path);
    must(os_processes(utf8, count_one, &count, NULL, NULL) == ERR_NONE);
    free(utf8);
    return count;
}

static void wait_for_word(struct scene *s, const char *word)
{
    uint64_t until_ms = clock_boot_ms() + WAIT_MS;
    char *told = NULL;
    while (!exists(s->done_path) || exists(s->order_path)) {
        if (clock_boot_ms() > until_ms)
            fail_msg("the guardian did not act");
        clock_sleep_ms(50);
    }
    must(os_read_file(s->done_path, 4096, &told, NULL, NULL) == ERR_NONE);
    if (!strstr(told, word))
        fail_msg("\"%s\" is not said in: %s", word, told);
    free(told);
}

static void stand_by(struct scene *s)
{
    struct error err = {0};
    if (guardian_write(s->order_path, &s->order, &err) != ERR_NONE ||
        guardian_start(s->order_path, &s->order, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

static void it_starts_what_ran_when_the_agent_is_gone(void **state)
{
    struct scene *s = *state;
    s->order.agent_created++; /* the pid belongs to somebody else now */
    stand_by(s);
    wait_for_word(s, "since the agent was gone; W3SVC runs; NetTcpActivator runs");
    assert_int_equal(state_of(s, "W3SVC"), SVC_RUNNING);
    assert_int_equal(state_of(s, "WAS"), SVC_RUNNING);
    assert_int_equal(state_of(s, "NetTcpActivator"), SVC_RUNNING);
}

static void it_starts_what_ran_when_no_end_is_told(void **state)
{
    struct scene *s = *state;
    s->order.within_ms = 500;
    text_copy(s->order.services, sizeof(s->order.services), "WAS\nW3SVC");
    stand_by(s);
    wait_for_word(s, "since the agent did not report the end in time; W3SVC runs");
    assert_int_equal(state_of(s, "NetTcpActivator"), SVC_STOPPED); /* it did not run before */
}

/* Armed and sent away as the agent does it. */
static void it_leaves_when_the_end_is_told(void **state)
{
    struct scene *s = *state;
    struct error err = {0};
    struct guardian_spec spec = {.data_dir = s->folder, .backend = "windows"};
    char told[256] = "?";
    int before = count_processes();
    if (guardian_arm(&spec, "WAS\nW3SVC", WAIT_MS, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    assert_true(exists(s->order_path));
    assert_int_equal(count_processes(), before + 1);
    assert_int_equal(guardian_end(&spec, told, sizeof(told), &err), ERR_NONE);
    assert_string_equal(told, "");
    uint64_t until_ms = clock_boot_ms() + WAIT_MS;
    while (count_processes() > before) {
        assert_true(clock_boot_ms() < until_ms);
        clock_sleep_ms(50);
    }
    assert_int_equal(state_of(s, "W3SVC"), SVC_STOPPED);
}

static void no_order_is_a_failure_that_is_told(void **state)
{
    struct scene *s = *state;
    struct error err = {0};
    text_copy(s->order.backend, sizeof(s->order.backend), "nonsense");
    assert_int_equal(guardian_write(s->order_path, &s->order, &err), ERR_NONE);
    assert_int_equal(guardian_start(s->order_path, &s->order, &err), ERR_IO);
    assert_non_null(strstr(err.text, "the guardian ended with 1"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_starts_what_ran_when_the_agent_is_gone, open_scene,
                                        close_scene),
        cmocka_unit_test_setup_teardown(it_starts_what_ran_when_no_end_is_told, open_scene,
                                        close_scene),
        cmocka_unit_test_setup_teardown(it_leaves_when_the_end_is_told, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(no_order_is_a_failure_that_is_told, open_scene,
                                        close_scene),
    };
    if (argc > 1 && text_equal(argv[1], "--service"))
        return own_services_serve();
    program_start(&argc, &argv);
    if (argc > 1 && text_equal(argv[1], "guardian"))
        return guardian_main(argc - 1, argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
