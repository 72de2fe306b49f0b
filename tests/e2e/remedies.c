/* remedies.c - see remedies.h. */
#include "tests/e2e/remedies.h"

#include "common/clock.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 8

static char rules_path[] = "/tmp/farmhand-e2e-rules-XXXXXX";

const char *remedies_file(const char *rules)
{
    int fd = mkstemp(rules_path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, rules, strlen(rules)), (ssize_t)strlen(rules));
    close(fd);
    return rules_path;
}

void remedies_forget(void)
{
    unlink(rules_path);
}

json_t *remedies_newest(struct harness *h, const char *rule, const char *server)
{
    json_t *answer = harness_get(h, "/v1/incidents?all=1"), *found = NULL, *one;
    size_t i;
    json_array_foreach(json_object_get(answer, "incidents"), i, one)
    {
        if (!found && strcmp(harness_word(one, "rule"), rule) == 0 &&
            strcmp(harness_word(one, "server"), server) == 0)
            found = json_incref(one);
    }
    json_decref(answer);
    return found;
}

/* With its story. To be released. */
static json_t *whole_of(struct harness *h, const json_t *incident)
{
    char path[64];
    text_format(path, sizeof(path), "/v1/incidents/%lld",
                (long long)json_integer_value(json_object_get(incident, "id")));
    return harness_get(h, path);
}

static void print_story(struct harness *h, const json_t *incident)
{
    json_t *answer = whole_of(h, incident);
    char *text = json_dumps(answer, JSON_INDENT(1));
    print_message("%s\n", text);
    free(text);
    json_decref(answer);
}

json_t *remedies_wait(struct harness *h, const char *rule, const char *server, const char *phases,
                      unsigned timeout_ms)
{
    uint64_t end_ms = clock_boot_ms() + timeout_ms;
    for (;;) {
        json_t *one = remedies_newest(h, rule, server);
        if (one && strstr(phases, harness_word(one, "phase")))
            return one;
        if (clock_boot_ms() > end_ms) {
            if (one)
                print_story(h, one);
            fail_msg("the incident of %s on %s is %s, not %s", rule, server,
                     one ? harness_word(one, "phase") : "not there", phases);
        }
        json_decref(one);
        harness_sleep_ms(200);
    }
}

void remedies_expect_note(struct harness *h, const json_t *incident, const char *kind,
                          const char *words)
{
    json_t *answer = whole_of(h, incident), *note;
    bool found = false;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(answer, "incident"), "story"), i, note)
    {
        found = found || (strcmp(harness_word(note, "kind"), kind) == 0 &&
                          strstr(harness_word(note, "text"), words));
    }
    json_decref(answer);
    if (!found) {
        print_story(h, incident);
        fail_msg("no note %s with '%s'", kind, words);
    }
}

void remedies_expect_said(struct harness_cli cli, int code, const char *words)
{
    if (cli.code != code || !strstr(cli.out, words))
        fail_msg("exit code %d, not %d with '%s':\n%s", cli.code, code, words, cli.out);
    harness_cli_free(&cli);
}

void remedies_tool(struct harness *h, const char *server, const char *tool,
                   const char *const *words, char **out)
{
    char path[PATH_MAX];
    struct error err = {0};
    struct process_result result = {0};
    const char *argv[WORDS_MAX + 2] = {path};
    farm_path(path, &h->farm, "servers/%s/inetsrv/%s", server, tool);
    for (size_t i = 0; words[i] && i < WORDS_MAX; i++)
        argv[i + 1] = words[i];
    struct process_call call = {.argv = argv, .timeout_ms = 30000, .output_max_bytes = 65536};
    if (process_run(&call, &result, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    if (out)
        *out = result.output;
    else
        free(result.output);
}

bool remedies_service_is(struct harness *h, const char *server, const char *service,
                         const char *state)
{
    char *out = NULL;
    remedies_tool(h, server, "sc", (const char *const[]){"query", service, NULL}, &out);
    bool is = out && strstr(out, state);
    free(out);
    return is;
}

void remedies_wait_for_service(struct harness *h, const char *server, const char *service,
                               const char *state)
{
    uint64_t end_ms = clock_boot_ms() + 60000;
    while (!remedies_service_is(h, server, service, state)) {
        if (clock_boot_ms() > end_ms)
            fail_msg("%s: %s is not %s", server, service, state);
        harness_sleep_ms(100);
    }
}

void remedies_stop_services_of(struct harness *h, const char *const *servers, size_t count)
{
    static const char *const names[] = {"W3SVC", "WAS"};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < count; i++)
            REMEDIES_SC(h, servers[i], "stop", names[k]);
        for (size_t i = 0; i < count; i++)
            remedies_wait_for_service(h, servers[i], names[k], "STOPPED");
    }
}

void remedies_stop_services(struct harness *h, const char *server)
{
    remedies_stop_services_of(h, &server, 1);
}

void remedies_wait_for_rapid_fail(struct harness *h, const char *server, const char *pool)
{
    uint64_t end_ms = clock_boot_ms() + 60000;
    for (bool is = false; !is; harness_sleep_ms(is ? 0 : 200)) {
        json_t *truth = harness_truth(h, server);
        json_t *of = json_object_get(json_object_get(truth, "pools"), pool);
        is = json_integer_value(json_object_get(of, "rapid_fails")) > 0;
        json_decref(truth);
        if (!is && clock_boot_ms() > end_ms)
            fail_msg("%s: rapid-fail protection has not stopped %s", server, pool);
    }
}

size_t remedies_refuse_account(struct harness *h, const char *server)
{
    uint64_t end_ms = clock_boot_ms() + 30000;
    size_t tries;
    assert_int_equal(FARM(h, "fault", server, "identity-fails", "on", "--scope", "Shop"), 0);
    remedies_tool(h, server, "appcmd",
                  (const char *const[]){"recycle", "apppool", "/apppool.name:Shop", NULL}, NULL);
    while ((tries = harness_identity_tries(h, server)) == 0) {
        if (clock_boot_ms() > end_ms)
            fail_msg("%s: nobody tried to log on", server);
        harness_sleep_ms(100);
    }
    return tries;
}
