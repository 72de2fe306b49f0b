/* What doctor makes of facts, of servers that never were. */
#include "agent/doctor.h"
#include "agent/doctor_run.h"
#include "common/text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A server with nothing wrong. */
static void healthy(struct doctor_facts *f)
{
    static const char *const server[][2] = {
        {"elevated", "yes"},
        {"appcmd.path", "C:\\Windows\\system32\\inetsrv\\appcmd.exe"},
        {"appcmd.version", "10.0.17763.1"},
        {"appcmd.ms", "180"},
        {"look.counts", "1 pools, 1 sites, 3 services, 1 workers"},
        {"look.trouble", ""},
        {"config.shared", "no"},
        {"services.known", "yes"},
        {"WAS.state", "RUNNING"},
        {"WAS.start", "DEMAND"},
        {"W3SVC.state", "RUNNING"},
        {"W3SVC.start", "AUTO"},
        {"WAS.failure", "restart restart none"},
        {"dependents", "W3SVC"},
        {"barred", ""},
        {"reboot.renames", "no"},
        {"host.pid", "900"},
        {"host.lodgers", "WAS, W3SVC"},
        {"host.strangers", ""},
        {"events", "yes"},
        {"figures", "1"},
        {"requests", "0"},
        {"data_dir.path", "C:\\ProgramData\\Farmhand"},
        {"coordinator.url", "tcp://10.0.0.1:7600"},
        {"coordinator.ms", "3"},
        {"certificate.days", "60"},
        {"certificate.late", "no"},
        {"clock.ahead_s", "-1"},
        {"clock.service", "running"},
        {"clock.source", "NT5DS"},
    };
    static const char *const pool[][2] = {
        {"state", "Started"},
        {"workers", "1"},
        {"probe", "passed"},
        {"probe.detail", "http://shop/health answered 200"},
        {"autoStart", "true"},
        {"startMode", "AlwaysRunning"},
        {"processModel.idleTimeout", "00:00:00"},
        {"processModel.maxProcesses", "1"},
        {"recycling.periodicRestart.time", "00:00:00"},
    };
    for (size_t i = 0; i < sizeof(server) / sizeof(server[0]); i++)
        doctor_facts_add(f, "", server[i][0], server[i][1]);
    for (size_t i = 0; i < sizeof(pool) / sizeof(pool[0]); i++)
        doctor_facts_add(f, "Shop", pool[i][0], pool[i][1]);
}

static void set(struct doctor_facts *f, const char *pool, const char *key, const char *value)
{
    for (size_t i = 0; i < f->count; i++) {
        if (!text_equal(f->items[i].pool, pool) || !text_equal(f->items[i].key, key))
            continue;
        free(f->items[i].key);
        f->items[i].key = strdup(value ? key : "gone");
        free(f->items[i].value);
        f->items[i].value = strdup(value ? value : "");
        return;
    }
    doctor_facts_add(f, pool, key, value);
}

static const struct doctor_line *find(const struct doctor_report *r, const char *check,
                                      enum doctor_level level)
{
    for (size_t i = 0; i < r->count; i++)
        if (text_equal(r->items[i].check, check) && r->items[i].level == level)
            return &r->items[i];
    return NULL;
}

static void healthy_server_has_nothing_to_look_at(void **state)
{
    (void)state;
    struct doctor_facts f = {0};
    struct doctor_report r = {0};
    healthy(&f);
    doctor_judge(&f, &r);
    for (size_t i = 0; i < r.count; i++)
        if (r.items[i].level == DOCTOR_WARN || r.items[i].level == DOCTOR_FAIL)
            fail_msg("%s", r.items[i].text);
    assert_int_equal(doctor_exit_code(&r), 0);
    assert_non_null(find(&r, "elevation", DOCTOR_OK));
    assert_non_null(find(&r, "probe", DOCTOR_OK));
    doctor_report_reset(&r);
    doctor_facts_reset(&f);
}

/* One fact that differs, and the line that has to come of it. */
static void each_fact_that_is_wrong_has_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *pool, *key, *value, *check;
        enum doctor_level level;
        const char *words;
    } cases[] = {
        {"", "settings.missing", "/etc/x", "settings", DOCTOR_WARN, "no configuration /etc/x yet"},
        {"", "elevated", "no", "elevation", DOCTOR_FAIL, "not elevated"},
        {"", "elevated", NULL, "elevation", DOCTOR_INFO, ""},
        {"", "data_dir.error", "no such directory", "data-dir", DOCTOR_WARN, "no such directory"},
        {"", "appcmd.error", "code 5", "appcmd", DOCTOR_FAIL, "code 5"},
        {"", "appcmd.ms", "5000", "appcmd", DOCTOR_WARN, "5000"},
        {"", "worker.error", "there is no such file", "worker", DOCTOR_FAIL, "no such file"},
        {"", "look.error", "nothing", "look", DOCTOR_FAIL, "nothing"},
        {"", "look.trouble", "sites: denied", "look", DOCTOR_FAIL, "sites: denied"},
        {"", "config.shared", "yes", "configuration", DOCTOR_WARN, "shared"},
        {"", "services.known", "no", "service", DOCTOR_WARN, "not looked at"},
        {"", "WAS.state", "STOP_PENDING", "service", DOCTOR_FAIL, "WAS is STOP_PENDING"},
        {"", "WAS.start", "DISABLED", "service", DOCTOR_FAIL, "disabled"},
        {"", "W3SVC.state", "ABSENT", "service", DOCTOR_FAIL, "no service W3SVC"},
        {"", "host.strangers", "MSMQ, Spooler", "host", DOCTOR_WARN, "MSMQ, Spooler"},
        {"", "host.error", "denied", "host", DOCTOR_WARN, "denied"},
        {"", "WAS.failure", "restart reboot", "failure-actions", DOCTOR_WARN, "restarts the comp"},
        {"", "WAS.failure", "run", "failure-actions", DOCTOR_WARN, "of WAS ends, Windows runs"},
        {"", "W3SVC.failure", "reboot", "failure-actions", DOCTOR_WARN, "of W3SVC ends"},
        {"", "barred", "a reboot is pending", "reboot", DOCTOR_WARN, "a reboot is pending"},
        {"", "reboot.renames", "yes", "renames", DOCTOR_INFO, "at the next restart"},
        {"", "warmup.error", "code 2", "warm-up", DOCTOR_INFO, "code 2"},
        {"", "events", "no", "events", DOCTOR_WARN, "cannot be read"},
        {"", "figures", "0", "counters", DOCTOR_WARN, "cannot be read"},
        {"", "requests.error", "Request Monitor", "requests", DOCTOR_WARN, "Request Monitor"},
        {"", "coordinator.ms", NULL, "coordinator", DOCTOR_FAIL, "cannot be reached"},
        {"", "certificate.error", "it is for web02", "certificate", DOCTOR_FAIL, "web02"},
        {"", "certificate.late", "yes", "certificate", DOCTOR_WARN, "60 days"},
        {"", "clock.ahead_s", "3700", "clock", DOCTOR_WARN, "3700 s ahead of"},
        {"", "clock.ahead_s", "-90", "clock", DOCTOR_WARN, "90 s behind"},
        {"", "clock.ahead_s", NULL, "clock", DOCTOR_INFO, "not known"},
        {"", "clock.service", "not running", "clock-service", DOCTOR_WARN, "not running"},
        {"", "clock.source", "NoSync", "clock-service", DOCTOR_WARN, "NoSync"},
        {"Shop", "state", "Stopped", "state", DOCTOR_WARN, "should run"},
        {"Shop", "state", "Unknown", "state", DOCTOR_WARN, "Unknown"},
        {"Shop", "autoStart", "false", "auto-start", DOCTOR_INFO, "stays stopped"},
        {"Shop", "startMode", "OnDemand", "start-mode", DOCTOR_WARN, "cold"},
        {"Shop", "processModel.idleTimeout", "00:20:00", "idle", DOCTOR_WARN, "00:20:00"},
        {"Shop", "processModel.idleTimeoutAction", "Suspend", "suspend", DOCTOR_WARN, "paged"},
        {"Shop", "recycling.disallowOverlappingRotation", "true", "overlap", DOCTOR_WARN, "outage"},
        {"Shop", "recycling.periodicRestart.time", "1.05:00:00", "periodic", DOCTOR_WARN, "itself"},
        {"Shop", "recycling.periodicRestart.requests", "9", "requests-limit", DOCTOR_INFO, ""},
        {"Shop", "processModel.maxProcesses", "3", "garden", DOCTOR_WARN, "garden"},
        {"Shop", "failure.orphanWorkerProcess", "true", "orphans", DOCTOR_WARN, "orphan"},
        {"Shop", "processModel.pingingEnabled", "false", "ping", DOCTOR_WARN, "hangs"},
        {"Shop", "failure.rapidFailProtection", "false", "rapid-fail", DOCTOR_INFO, "for ever"},
        {"Shop", "failure.loadBalancerCapabilities", "HttpLevel", "balancer-level", DOCTOR_INFO,
         "503"},
        {"Shop", "processModel.identityType", "SpecificUser", "identity", DOCTOR_INFO, "5057"},
        {"Shop", "warmup.off", "Site/", "warm-up", DOCTOR_WARN,
         "nothing in it is warmed up: Site/"},
        {"Shop", "offline", "Site/api", "offline", DOCTOR_WARN, "app_offline.htm"},
        {"Shop", "preload.off", "Site/, Site/api", "preload", DOCTOR_WARN, "Site/api"},
        {"Shop", "probe", "failed", "probe", DOCTOR_WARN, "does not pass"},
        {"Shop", "probe", "none", "probe", DOCTOR_INFO, "nothing to probe"},
        {"Shop", "probe", "skipped", "probe", DOCTOR_INFO, "start a worker"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct doctor_facts f = {0};
        struct doctor_report r = {0};
        healthy(&f);
        set(&f, cases[i].pool, cases[i].key, cases[i].value);
        doctor_judge(&f, &r);
        const struct doctor_line *line = find(&r, cases[i].check, cases[i].level);
        if (!line || !strstr(line->text, cases[i].words))
            fail_msg("%s = %s: %s", cases[i].key, cases[i].value, line ? line->text : "no line");
        assert_string_equal(line->pool, cases[i].pool);
        assert_int_equal(doctor_exit_code(&r), cases[i].level == DOCTOR_FAIL);
        doctor_report_reset(&r);
        doctor_facts_reset(&f);
    }
}

static void pool_that_is_stopped_on_purpose_is_no_trouble(void **state)
{
    (void)state;
    struct doctor_facts f = {0};
    struct doctor_report r = {0};
    healthy(&f);
    set(&f, "Shop", "state", "Stopped");
    set(&f, "Shop", "autoStart", "false");
    doctor_judge(&f, &r);
    assert_non_null(find(&r, "state", DOCTOR_INFO));
    assert_null(find(&r, "state", DOCTOR_WARN));
    doctor_report_reset(&r);
    doctor_facts_reset(&f);
}

static void every_question_is_told_with_its_answer(void **state)
{
    (void)state;
    struct doctor_facts f = {0};
    struct doctor_report r = {0};
    struct text text = {0}, json = {0};
    healthy(&f);
    doctor_facts_add(&f, "", "answer.no_match", "exit 1, 58 bytes");
    doctor_judge(&f, &r);
    doctor_print_text(&f, &r, &text);
    doctor_print_json(&f, &r, &json);
    json_t *all = json_loads(text_get(&json), 0, NULL);
    assert_non_null(all);
    assert_true(json_is_true(json_object_get(all, "ok")));
    assert_int_equal(json_array_size(json_object_get(all, "checks")), r.count);
    const json_t *unverified = json_object_get(all, "unverified");
    size_t count = 0, answered = 0;
    for (; doctor_questions[count].what; count++) {
        const json_t *one = json_array_get(unverified, count);
        assert_non_null(strstr(text_get(&text), doctor_questions[count].what));
        answered += json_is_string(json_object_get(one, "answer"));
    }
    assert_int_equal(json_array_size(unverified), count);
    assert_int_equal(answered, 1);
    assert_non_null(strstr(text_get(&text), "exit 1, 58 bytes"));
    assert_non_null(strstr(text_get(&text), "to be confirmed: "));
    assert_null(strstr(text_get(&text), "to be confirmed: \n"));
    for (const struct doctor_question *q = doctor_questions; q->what; q++)
        assert_true(q->how[0] != '\0');
    json_decref(all);
    text_reset(&text);
    text_reset(&json);
    doctor_report_reset(&r);
    doctor_facts_reset(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_server_has_nothing_to_look_at),
        cmocka_unit_test(each_fact_that_is_wrong_has_its_line),
        cmocka_unit_test(pool_that_is_stopped_on_purpose_is_no_trouble),
        cmocka_unit_test(every_question_is_told_with_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
