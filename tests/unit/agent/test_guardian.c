/* test_guardian.c - the guardian as a process, with a script for a service manager: it starts what
 * ran when it has to, and nothing else ever. */
#include "agent/guardian.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"
#include "tests/unit/drivers_tool.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 30000

/* A service's state and start type are numbers in files; a start makes it run. */
static const char manager[] =
    "one() { printf '{\"name\":\"%s\",\"state\":%s,\"start_type\":%s,\"pid\":0,"
    "\"depends\":[%s]}' \"$1\" \"$(cat \"$HERE/$1.state\")\" \"$(cat \"$HERE/$1.type\")\" \"$2\"; "
    "}\n"
    "case \"$1\" in\n"
    "--json) printf '{\"code\":0,\"barred\":\"%s\",\"services\":[' \"$(cat \"$HERE/barred\")\"\n"
    "  one WAS; printf ','; one W3SVC '\"WAS\"'; printf ','; one Net '\"WAS\"'; printf ']}' ;;\n"
    "start) echo \"start $2\" >> \"$HERE/calls\"; echo 4 > \"$HERE/$2.state\"\n"
    "  echo 4 > \"$HERE/WAS.state\"; code 0 ;;\n"
    "*) echo \"$1 $2\" >> \"$HERE/calls\"; code 0 ;;\n"
    "esac\n";

struct scene {
    char *folder, *order_path;
    struct guardian_order order;
};

static void set(struct scene *s, const char *file, const char *value)
{
    tool_write(s->folder, file, value, strlen(value));
}

static int open_scene(void **state)
{
    static const char *const names[] = {"WAS", "W3SVC", "Net"};
    struct scene *s = calloc(1, sizeof(*s));
    struct os_process self;
    assert_non_null(s);
    s->folder = tool_folder_new();
    s->order_path = tool_path(s->folder, "guardian.order");
    tool_script(s->folder, "sc", manager);
    for (size_t i = 0; i < 3; i++) {
        char file[32];
        text_format(file, sizeof(file), "%s.state", names[i]);
        set(s, file, "1");
        text_format(file, sizeof(file), "%s.type", names[i]);
        set(s, file, "2");
    }
    set(s, "barred", "");
    assert_int_equal(os_process_find((uint32_t)getpid(), &self, NULL), ERR_NONE);
    s->order = (struct guardian_order){.id = "00112233445566778899aabbccddeeff",
                                       .agent_pid = self.pid,
                                       .agent_created = self.created,
                                       .within_ms = 300,
                                       .grace_ms = 300,
                                       .backend = "lab",
                                       .services = "WAS\nW3SVC\nNet"};
    char *tool = tool_path(s->folder, "sc");
    text_copy(s->order.tool, sizeof(s->order.tool), tool);
    free(tool);
    *state = s;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *s = *state;
    unlink(s->order_path); /* whoever stands by still goes */
    tool_folder_remove(s->folder);
    free(s->order_path);
    free(s);
    return 0;
}

static uint32_t start_guardian(struct scene *s)
{
    const char *const argv[] = {FARMHAND_AGENT, "guardian", s->order_path, NULL};
    const struct process_call call = {
        .argv = argv, .timeout_ms = WAIT_MS, .output_max_bytes = 4096};
    struct process_result result;
    struct error err = {0};
    if (guardian_write(s->order_path, &s->order, &err) != ERR_NONE ||
        process_run(&call, &result, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    free(result.output);
    return result.exit_code;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The guardian has acted and left its word. */
static char *wait_for_word(struct scene *s)
{
    char *path = tool_path(s->folder, "guardian.done");
    uint64_t until_ms = clock_boot_ms() + WAIT_MS;
    while (!exists(path) || exists(s->order_path)) {
        if (clock_boot_ms() > until_ms)
            fail_msg("the guardian did not act");
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
    free(path);
    return tool_read(s->folder, "guardian.done");
}

/* Some process's command line names the order. */
static bool stands_by(const struct scene *s)
{
    char path[64], line[1024];
    struct dirent *entry;
    bool found = false;
    DIR *all = opendir("/proc");
    assert_non_null(all);
    while (!found && (entry = readdir(all))) {
        snprintf(path, sizeof(path), "/proc/%.16s/cmdline", entry->d_name);
        FILE *file = fopen(path, "re");
        size_t len = file ? fread(line, 1, sizeof(line), file) : 0;
        found = memmem(line, len, s->order_path, strlen(s->order_path)) != NULL;
        if (file)
            fclose(file);
    }
    closedir(all);
    return found;
}

/* Long before its time to act. */
static void wait_until_gone(struct scene *s)
{
    uint64_t until_ms = clock_boot_ms() + WAIT_MS / 2;
    while (stands_by(s)) {
        if (clock_boot_ms() > until_ms)
            fail_msg("the guardian still stands by");
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
}

static void assert_calls(struct scene *s, const char *expected)
{
    char *calls = tool_read(s->folder, "calls");
    assert_string_equal(calls, expected);
    free(calls);
}

static void orders_come_back_whole(void **state)
{
    struct scene *s = *state;
    struct guardian_order back;
    struct error err = {0};
    assert_int_equal(guardian_write(s->order_path, &s->order, &err), ERR_NONE);
    assert_int_equal(guardian_read(s->order_path, &back, &err), ERR_NONE);
    assert_string_equal(back.id, s->order.id);
    assert_string_equal(back.services, s->order.services);
    assert_string_equal(back.tool, s->order.tool);
    assert_int_equal(back.agent_pid, s->order.agent_pid);
    assert_true(back.agent_created == s->order.agent_created);
    assert_true(back.within_ms == 300 && back.grace_ms == 300);
    tool_write(s->folder, "guardian.order", "something else\n", 15);
    assert_int_equal(guardian_read(s->order_path, &back, &err), ERR_CORRUPT);
    tool_write(s->folder, "guardian.order", "farmhand guardian 1\nstop WAS\n", 29);
    assert_int_equal(guardian_read(s->order_path, &back, &err), ERR_CORRUPT);
}

static void it_starts_what_ran_when_no_end_is_told(void **state)
{
    struct scene *s = *state;
    assert_int_equal(start_guardian(s), 0);
    char *word = wait_for_word(s);
    assert_string_equal(word, "the guardian acted, since the agent did not report the end in time; "
                              "W3SVC runs; Net runs");
    free(word);
    assert_calls(s, "start W3SVC\nstart Net\n");
}

static void it_starts_when_the_agent_is_gone(void **state)
{
    struct scene *s = *state;
    s->order.within_ms = 600000;
    s->order.agent_created++; /* the pid belongs to somebody else now */
    assert_int_equal(start_guardian(s), 0);
    char *word = wait_for_word(s);
    assert_non_null(strstr(word, "since the agent was gone; W3SVC runs"));
    free(word);
}

static void it_leaves_when_the_end_is_told(void **state)
{
    struct scene *s = *state;
    char told[64] = "?";
    struct error err = {0};
    struct guardian_spec spec = {.data_dir = s->folder, .backend = "lab", .tool = s->order.tool};
    s->order.within_ms = WAIT_MS;
    assert_int_equal(start_guardian(s), 0);
    assert_int_equal(guardian_end(&spec, told, sizeof(told), &err), ERR_NONE);
    assert_string_equal(told, "");
    wait_until_gone(s);
    assert_calls(s, "");
    assert_int_equal(guardian_end(&spec, told, sizeof(told), &err), ERR_NONE); /* once more: fine */
}

static void what_it_did_is_told_at_the_end(void **state)
{
    struct scene *s = *state;
    char told[256];
    struct error err = {0};
    struct guardian_spec spec = {.data_dir = s->folder, .backend = "lab", .tool = s->order.tool};
    assert_int_equal(start_guardian(s), 0);
    free(wait_for_word(s));
    assert_int_equal(guardian_end(&spec, told, sizeof(told), &err), ERR_NONE);
    assert_non_null(strstr(told, "W3SVC runs"));
}

static void another_order_is_not_its_business(void **state)
{
    struct scene *s = *state;
    struct error err = {0};
    s->order.within_ms = WAIT_MS;
    assert_int_equal(start_guardian(s), 0);
    s->order.id[0] = 'f';
    assert_int_equal(guardian_write(s->order_path, &s->order, &err), ERR_NONE);
    wait_until_gone(s);
    assert_calls(s, "");
    assert_true(exists(s->order_path));
}

static void disabled_is_left_alone(void **state)
{
    struct scene *s = *state;
    set(s, "WAS.type", "4");
    assert_int_equal(start_guardian(s), 0);
    char *word = wait_for_word(s);
    assert_non_null(strstr(word, "left alone: WAS or W3SVC is disabled"));
    free(word);
    assert_calls(s, "");
}

static void machine_that_goes_down_is_left_alone(void **state)
{
    struct scene *s = *state;
    set(s, "barred", "the machine is shutting down");
    assert_int_equal(start_guardian(s), 0);
    char *word = wait_for_word(s);
    assert_non_null(strstr(word, "left alone: the machine is shutting down"));
    free(word);
    assert_calls(s, "");
}

static void what_did_not_run_is_not_started(void **state)
{
    struct scene *s = *state;
    text_copy(s->order.services, sizeof(s->order.services), "WAS\nW3SVC");
    assert_int_equal(start_guardian(s), 0);
    free(wait_for_word(s));
    assert_calls(s, "start W3SVC\n");
}

static void no_order_is_a_failure_that_is_told(void **state)
{
    struct scene *s = *state;
    text_copy(s->order.backend, sizeof(s->order.backend), "nonsense");
    assert_int_equal(start_guardian(s), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(orders_come_back_whole, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(it_starts_what_ran_when_no_end_is_told, open_scene,
                                        close_scene),
        cmocka_unit_test_setup_teardown(it_starts_when_the_agent_is_gone, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(it_leaves_when_the_end_is_told, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(what_it_did_is_told_at_the_end, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(another_order_is_not_its_business, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(disabled_is_left_alone, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(machine_that_goes_down_is_left_alone, open_scene,
                                        close_scene),
        cmocka_unit_test_setup_teardown(what_did_not_run_is_not_started, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(no_order_is_a_failure_that_is_told, open_scene,
                                        close_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
