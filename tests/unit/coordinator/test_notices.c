/* Notices with a real store, the brain, real threads and a webhook that has its moods. */
#include "coordinator/notices/notices.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/os.h"
#include "common/sha256.h"
#include "common/text.h"
#include "tests/unit/coordinator/farm.h"
#include "tests/unit/fake_hook.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef-the-key"

struct stage {
    struct farm farm;
    struct fake_hook *hook;
    char url[64], secret[128];
    struct notices_target target;
    struct notices *notices;
    struct mailbox *done; /* of struct notifier_result * */
};

static void on_done(void *arg, size_t target, const struct notifier_result *result)
{
    struct stage *s = arg;
    (void)target;
    struct notifier_result *copy = must_alloc(1, sizeof(*copy));
    *copy = *result;
    must(mailbox_post(s->done, copy));
}

static void open_notices(struct stage *s, size_t count)
{
    const struct notices_spec spec = {.targets = &s->target,
                                      .count = count,
                                      .store = s->farm.store,
                                      .brain = s->farm.brain,
                                      .coordinator = "centre",
                                      .done = on_done,
                                      .arg = s,
                                      .now_ms = s->farm.now_ms,
                                      .wall_ms = WALL(&s->farm)};
    struct error err = {0};
    if (notices_open(&spec, &s->notices, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

static void begin(struct stage *s)
{
    *s = (struct stage){0};
    farm_begin(&s->farm, 2);
    s->hook = fake_hook_open(0);
    text_format(s->url, sizeof(s->url), "http://127.0.0.1:%u/hook", fake_hook_port(s->hook));
    text_copy(s->secret, sizeof(s->secret), files_path(&s->farm.files, "secret"));
    must(os_write_file(s->secret, SECRET "\n", strlen(SECRET) + 1, 0600, NULL) == ERR_NONE);
    s->target = (struct notices_target){
        .notifier = {.name = "ops", .url = s->url, .secret_file = s->secret, .timeout_ms = 10000},
        .kinds = ~(1u << NOTICE_AUDIT),
        .keep_ms = 86400000};
    s->done = mailbox_open(64, free);
    open_notices(s, 1);
}

static void end(struct stage *s)
{
    notices_close(s->notices);
    fake_hook_close(s->hook);
    mailbox_close(s->done);
    farm_end(&s->farm);
}

/* Sends what is due; the next result, handed back to the notices. */
static enum error_code turn(struct stage *s)
{
    notices_note_event(s->notices);
    notices_on_time(s->notices, s->farm.now_ms, WALL(&s->farm));
    struct notifier_result *result = mailbox_take(s->done, clock_boot_ms() + 20000);
    if (!result)
        fail_msg("no result came");
    enum error_code code = result->code;
    notices_done(s->notices, 0, result, s->farm.now_ms, WALL(&s->farm));
    free(result);
    return code;
}

static void count_row(void *arg, const struct store_notice *row)
{
    (void)row;
    ++*(size_t *)arg;
}

static size_t rows(struct stage *s)
{
    size_t count = 0;
    assert_int_equal(store_load_notices(s->farm.store, 0, count_row, &count, NULL), ERR_NONE);
    return count;
}

static void expect_in(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in: %s", part, text);
}

/* The signature of a request, computed anew from what came. */
static void expect_signed(const char *request)
{
    const char *at = strstr(request, "X-Farmhand-Time: ");
    const char *body = strstr(request, "\r\n\r\n");
    assert_true(at && body);
    struct text signed_text = {0};
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX], header[160];
    at += strlen("X-Farmhand-Time: ");
    text_add_bytes(&signed_text, at, strcspn(at, "\r"));
    text_addf(&signed_text, ".%s", body + 4);
    hmac_sha256(SECRET, strlen(SECRET), signed_text.data, signed_text.len, digest);
    text_format(header, sizeof(header), "X-Farmhand-Signature: sha256=%s\r\n",
                sha256_hex(digest, hex));
    expect_in(request, header);
    text_reset(&signed_text);
}

static void a_run_is_told_from_its_start_to_its_end(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    farm_recycle(&s.farm, "all");
    farm_run_to_end(&s.farm, 60000);
    assert_int_equal(rows(&s), 2);
    assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(rows(&s), 0);
    char *request = fake_hook_request(s.hook, 0);
    expect_in(request, "POST /hook HTTP/1.1\r\n");
    expect_in(request, "Content-Type: application/json\r\n");
    expect_in(request, "\"kind\":\"run.started\"");
    expect_in(request, "\"run\":1");
    expect_in(request, "\"actor\":\"anna\"");
    expect_in(request, "\"pool\":\"Shop\"");
    expect_in(request, "\"coordinator\":\"centre\"");
    expect_signed(request);
    free(request);
    request = fake_hook_request(s.hook, 1);
    expect_in(request, "\"kind\":\"run.ended\"");
    expect_in(request, "\"to\":\"done\"");
    expect_in(request, "X-Farmhand-Notice: 2\r\n");
    free(request);
    end(&s);
}

static void failures_are_visible_and_hold_up_no_run(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    fake_hook_set(s.hook, HOOK_500);
    farm_recycle(&s.farm, "all");
    assert_int_not_equal(turn(&s), ERR_NONE);
    const struct notice_queue *q = notices_queue_at(s.notices, 0);
    assert_string_equal(q->trouble, "answered 500: out of tea");
    expect_in(farm_events(&s.farm), "notice.failing: notice ops: answered 500: out of tea");
    farm_run_to_end(&s.farm, 60000);
    fake_hook_set(s.hook, HOOK_CLOSES);
    s.farm.now_ms += 600000;
    assert_int_not_equal(turn(&s), ERR_NONE);
    fake_hook_set(s.hook, HOOK_WELL);
    s.farm.now_ms += 600000;
    assert_int_equal(turn(&s), ERR_NONE);
    expect_in(farm_events(&s.farm), "notice.works: notice ops: delivered again, after 2 failures");
    assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(rows(&s), 0);
    end(&s);
}

static void a_hook_that_hangs_ends_at_its_time_out(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    notices_close(s.notices);
    s.target.notifier.timeout_ms = 300;
    open_notices(&s, 1);
    fake_hook_set(s.hook, HOOK_HANGS);
    farm_recycle(&s.farm, "all");
    assert_int_equal(turn(&s), ERR_TIMEOUT);
    assert_int_equal(notices_queue_at(s.notices, 0)->count, 1);
    end(&s);
}

static void a_restart_loses_nothing(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    fake_hook_set(s.hook, HOOK_500);
    uint64_t run = farm_recycle(&s.farm, "all");
    turn(&s);
    notices_close(s.notices);
    farm_crash(&s.farm);
    farm_start(&s.farm);
    open_notices(&s, 1);
    fake_hook_set(s.hook, HOOK_WELL);
    farm_run_to_end(&s.farm, 120000);
    assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(rows(&s), 0);
    char *request = fake_hook_request(s.hook, 0);
    expect_in(request, "\"kind\":\"run.started\"");
    free(request);
    (void)run;
    end(&s);
}

static void only_what_is_wanted_is_kept(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    notices_close(s.notices);
    s.target.kinds = 1u << NOTICE_RUN_ENDED;
    open_notices(&s, 1);
    farm_recycle(&s.farm, "all");
    farm_run_to_end(&s.farm, 60000);
    assert_int_equal(rows(&s), 1);
    /* A section that is gone: nobody is to be told any more. */
    notices_close(s.notices);
    s.target.notifier.name = "other";
    open_notices(&s, 1);
    notices_on_time(s.notices, s.farm.now_ms, WALL(&s.farm));
    assert_int_equal(rows(&s), 0);
    end(&s);
}

/* ---- the audit trail ---- */

static void pause_and_resume(struct stage *s, uint64_t run)
{
    const enum rollout_request asked[] = {REQUEST_PAUSE, REQUEST_RESUME};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(coordinator_request(s->farm.brain, run, asked[i], "anna", "lunch",
                                             s->farm.now_ms, WALL(&s->farm), NULL),
                         ERR_NONE);
}

static json_t *body_of(struct stage *s, size_t n)
{
    char *request = fake_hook_request(s->hook, n), *body = strstr(request, "\r\n\r\n");
    expect_signed(request);
    json_t *json = json_loads(body + 4, 0, NULL);
    must(json != NULL);
    free(request);
    return json;
}

static const char *word_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "(none)";
}

/* What the receiver got is a chain by itself, from the first row to the last: nothing is missing,
 * in another order or changed. Returns how many. */
static uint64_t rows_at_receiver(struct stage *s)
{
    struct audit_chain chain;
    audit_chain_begin(&chain);
    for (size_t n = 0; n < fake_hook_taken(s->hook); n++) {
        json_t *json = body_of(s, n);
        const json_t *row = json_object_get(json, "audit");
        assert_string_equal(word_of(json, "kind"), "audit");
        const struct audit_row told = {.id =
                                           (uint64_t)json_integer_value(json_object_get(row, "id")),
                                       .wall_ms = json_integer_value(json_object_get(row, "at_ms")),
                                       .actor = word_of(row, "actor"),
                                       .origin = word_of(row, "origin"),
                                       .action = word_of(row, "action"),
                                       .object = word_of(row, "object"),
                                       .reason = word_of(row, "reason"),
                                       .before = word_of(row, "before"),
                                       .after = word_of(row, "after"),
                                       .result = word_of(row, "result"),
                                       .hash = word_of(row, "hash")};
        const char *bad = audit_chain_add(&chain, &told);
        if (bad)
            fail_msg("request %zu, row %d: %s", n, (int)told.id, bad);
        json_decref(json);
    }
    return chain.id;
}

static void audit_rows_come_in_order_over_a_receiver_that_was_down(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    notices_close(s.notices);
    s.target.kinds = 1u << NOTICE_AUDIT;
    open_notices(&s, 1);
    uint64_t run = farm_recycle(&s.farm, "all");
    assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(rows_at_receiver(&s), 1);
    unsigned port = fake_hook_port(s.hook);
    fake_hook_close(s.hook); /* down: nobody listens */
    for (int i = 0; i < 3; i++)
        pause_and_resume(&s, run);
    for (int i = 0; i < 3; i++) { /* the oldest is tried again and again, none overtakes it */
        assert_int_not_equal(turn(&s), ERR_NONE);
        s.farm.now_ms += NOTICE_LONGEST_MS;
    }
    assert_int_equal(notices_queue_at(s.notices, 0)->rows[0].tries, 3);
    assert_int_equal(rows(&s), 6);
    notices_close(s.notices);
    farm_crash(&s.farm);
    farm_start(&s.farm);
    open_notices(&s, 1);
    s.hook = fake_hook_open(port);
    fake_hook_set(s.hook, HOOK_500);
    assert_int_not_equal(turn(&s), ERR_NONE);
    s.farm.now_ms += NOTICE_LONGEST_MS;
    fake_hook_set(s.hook, HOOK_WELL);
    for (int i = 0; i < 6; i++)
        assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(rows(&s), 0);
    json_t *first = body_of(&s, 0);
    const json_t *row = json_object_get(first, "audit");
    assert_int_equal(json_integer_value(json_object_get(row, "id")), 2);
    assert_string_equal(word_of(row, "action"), "run.pause");
    assert_string_equal(word_of(row, "before"), "running");
    assert_string_equal(word_of(row, "after"), "paused (person)");
    assert_string_equal(word_of(row, "result"), "done");
    json_decref(first);
    for (size_t n = 1; n < 6; n++) {
        json_t *next = body_of(&s, n);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(next, "audit"), "id")),
                         n + 2);
        json_decref(next);
    }
    end(&s);
}

static void audit_rows_told_from_the_first_on_are_the_chain(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    notices_close(s.notices);
    s.target.kinds = 1u << NOTICE_AUDIT;
    open_notices(&s, 1);
    uint64_t run = farm_recycle(&s.farm, "all");
    pause_and_resume(&s, run);
    for (int i = 0; i < 3; i++)
        assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(rows_at_receiver(&s), 3);
    end(&s);
}

static void a_command_gets_it_on_stdin(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    notices_close(s.notices);
    char out[128], *text;
    size_t len;
    text_copy(out, sizeof(out), files_path(&s.farm.files, "told"));
    const char *const argv[] = {"/bin/sh", "-c", "cat >\"$0\" && echo >>\"$0\"", out, NULL};
    s.target.notifier = (struct notifier_target){.name = "ops", .argv = argv, .timeout_ms = 10000};
    open_notices(&s, 1);
    uint64_t id;
    assert_int_equal(
        notices_test(s.notices, "ops", "anna", s.farm.now_ms, WALL(&s.farm), &id, NULL), ERR_NONE);
    assert_int_equal(turn(&s), ERR_NONE);
    assert_int_equal(notices_queue_at(s.notices, 0)->last_delivered, id);
    assert_int_equal(os_read_file(out, 10000, &text, &len, NULL), ERR_NONE);
    expect_in(text, "\"kind\":\"notice.test\"");
    expect_in(text, "\"actor\":\"anna\"");
    free(text);
    unlink(out);
    end(&s);
}

static void a_command_that_fails_says_why(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    notices_close(s.notices);
    const char *const argv[] = {"/bin/sh", "-c", "echo no paper; exit 9", NULL};
    s.target.notifier = (struct notifier_target){.name = "ops", .argv = argv, .timeout_ms = 10000};
    open_notices(&s, 1);
    uint64_t id;
    struct error err = {0};
    notices_test(s.notices, "ops", "anna", s.farm.now_ms, WALL(&s.farm), &id, NULL);
    assert_int_not_equal(turn(&s), ERR_NONE);
    assert_string_equal(notices_queue_at(s.notices, 0)->trouble, "exit code 9: no paper");
    assert_int_equal(
        notices_test(s.notices, "nobody", "anna", s.farm.now_ms, WALL(&s.farm), &id, &err),
        ERR_NOT_FOUND);
    end(&s);
}

static void an_open_secret_signs_nothing(void **state)
{
    (void)state;
    struct stage s;
    begin(&s);
    must(chmod(s.secret, 0644) == 0);
    farm_recycle(&s.farm, "all");
    assert_int_equal(turn(&s), ERR_DENIED);
    assert_int_equal(fake_hook_count(s.hook), 0);
    end(&s);
}

int main(void)
{
    http_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_told_from_its_start_to_its_end),
        cmocka_unit_test(failures_are_visible_and_hold_up_no_run),
        cmocka_unit_test(a_hook_that_hangs_ends_at_its_time_out),
        cmocka_unit_test(a_restart_loses_nothing),
        cmocka_unit_test(only_what_is_wanted_is_kept),
        cmocka_unit_test(audit_rows_come_in_order_over_a_receiver_that_was_down),
        cmocka_unit_test(audit_rows_told_from_the_first_on_are_the_chain),
        cmocka_unit_test(a_command_gets_it_on_stdin),
        cmocka_unit_test(a_command_that_fails_says_why),
        cmocka_unit_test(an_open_secret_signs_nothing),
    };
    return cmocka_run_group_tests_name("notices", tests, NULL, NULL);
}
