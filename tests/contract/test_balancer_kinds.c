/* test_balancer_kinds.c - what every kind of balancer has to do and to say, good days and bad ones.
 *
 * One rig per kind plays the balancer: HAProxy by scripted answers on a socket, the command by a
 * program that reads its orders from a file. What the rules decide by are the codes. */
#include "coordinator/balancer/balancer.h"

#include "common/clock.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "tests/unit/fake_haproxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* How the balancer behaves during one test. */
enum mood {
    GOOD,
    LIES,    /* accepts, and stays as it was */
    HANGS,   /* takes the order, never answers */
    CUT,     /* answers half */
    CLOSES,  /* ends without a word */
    GONE,    /* is not there */
    UNKNOWN, /* has no such server */
    DENIES,
    BABBLES, /* answers something else */
};

struct rig {
    const char *kind;
    char dir[64], path[96];
    struct fake_haproxy *fake;
    struct fake_step steps[2];
    struct balancer *balancer;
    struct mailbox *answers;
};

static void on_answer(void *arg, const struct balancer_answer *answer)
{
    struct rig *rig = arg;
    struct balancer_answer *copy = must_alloc(1, sizeof(*copy));
    *copy = *answer;
    must(mailbox_post(rig->answers, copy));
}

/* ---- HAProxy ---- */

#define STATE_HEAD "1\n# be_name srv_id srv_name srv_op_state srv_admin_state srv_uweight\n"
#define INFO       "Name: HAProxy\nPid: 7\nStart_time_sec: 9\n\n"
#define STAT_HEAD  "# pxname,svname,qcur,scur,bck,\n"
#define SHOP(admin)                                                                                \
    STATE_HEAD "shop 1 web01 2 " admin " 1\nshop 2 web02 2 0 1\n\n" STAT_HEAD                      \
               "shop,web01,0,3,0,\nshop,web02,0,0,0,\n\n" INFO

static struct fake_step bad_step(enum mood mood, bool reading)
{
    switch (mood) {
    case HANGS:
        return (struct fake_step){NULL, NULL, FAKE_HANG};
    case CUT:
        return (struct fake_step){NULL, reading ? STATE_HEAD "shop 1 web" : "", FAKE_CLOSE};
    case UNKNOWN:
        return (struct fake_step){NULL,
                                  reading ? STATE_HEAD "shop 2 web02 2 0 1\n\n" STAT_HEAD
                                                       "shop,web02,0,0,0,\n\n" INFO
                                          : "No such server.\n\n",
                                  FAKE_CLOSE};
    case DENIES:
        return (struct fake_step){NULL, "Permission denied\n\n", FAKE_CLOSE};
    case BABBLES:
        return (struct fake_step){NULL, "HTTP/1.1 400 Bad request\n\n", FAKE_CLOSE};
    case CLOSES:
    case GOOD:
    case LIES:
    case GONE:
        break;
    }
    return (struct fake_step){NULL, NULL, FAKE_CLOSE};
}

static void play_haproxy(struct rig *rig, enum mood mood, enum balancer_op op)
{
    size_t count = 0;
    bool answers = mood == GOOD || mood == LIES;
    if (op != BALANCER_OP_READ && answers)
        rig->steps[count++] =
            (struct fake_step){op == BALANCER_OP_DRAIN ? "set server shop/web01 state drain"
                                                       : "set server shop/web01 state ready",
                               "\n", FAKE_CLOSE};
    bool drained = (op == BALANCER_OP_DRAIN) != (mood == LIES);
    rig->steps[count++] =
        answers
            ? (struct fake_step){NULL, op != BALANCER_OP_READ && drained ? SHOP("8") : SHOP("0"),
                                 FAKE_CLOSE}
            : bad_step(mood, op == BALANCER_OP_READ);
    if (mood != GONE)
        rig->fake = fake_haproxy_open(rig->path, rig->steps, count);
}

/* ---- the command ---- */

static const char script[] =
    "#!/bin/sh\n"
    "# ORDERS MOOD-FILE then verb and name, as the contract says\n"
    "here=$1; verb=$2; name=$3; admin=ready\n"
    "[ $# = 3 ] && [ \"$FARMHAND_BACKEND/$FARMHAND_BALANCER\" = shop/lb ] || exit 2\n"
    "[ ! -e \"$here.admin\" ] || admin=$(cat \"$here.admin\")\n"
    "case $(cat \"$here.mood\") in\n"
    "HANGS) sleep 1000 ;;\n"
    "CUT) [ \"$verb\" = state ] || kill -9 $$; printf 'admin=ready up=yes sess'; exit 0 ;;\n"
    "CLOSES) [ \"$verb\" = state ] || kill -9 $$; exit 0 ;;\n"
    "GONE) echo 'no route to it'; exit 4 ;;\n"
    "UNKNOWN) exit 3 ;;\n"
    "DENIES) exit 5 ;;\n"
    "BABBLES) [ \"$verb\" = state ] || exit 77; echo 'admin=ready up=maybe'; exit 0 ;;\n"
    "LIES) [ \"$verb\" = state ] || exit 0 ;;\n"
    "GOOD) [ \"$verb\" = state ] || { echo \"$verb\" >\"$here.admin\"; exit 0; } ;;\n"
    "esac\n"
    "echo \"sessions=3 others=1 up=yes admin=$admin\"\n";

static void write_file(const struct rig *rig, const char *suffix, const char *text)
{
    char path[128];
    text_format(path, sizeof(path), "%s%s", rig->path, suffix);
    must(os_write_file(path, text, strlen(text), 0755, NULL) == ERR_NONE);
}

static void play_command(struct rig *rig, enum mood mood, enum balancer_op op)
{
    static const char *const names[] = {"GOOD", "LIES",    "HANGS",  "CUT",    "CLOSES",
                                        "GONE", "UNKNOWN", "DENIES", "BABBLES"};
    write_file(rig, "", script);
    write_file(rig, ".mood", names[mood]);
    if (mood == LIES && op == BALANCER_OP_READY)
        write_file(rig, ".admin", "drain");
}

/* ---- both ---- */

static struct rig *rig_new(const char *kind)
{
    struct rig *rig = must_alloc(1, sizeof(*rig));
    rig->kind = kind;
    strcpy(rig->dir, "/tmp/balancer-kind-XXXXXX");
    must(mkdtemp(rig->dir) != NULL);
    text_format(rig->path, sizeof(rig->path), "%s/lb", rig->dir);
    rig->answers = mailbox_open(8, free);
    return rig;
}

static void rig_free(struct rig *rig)
{
    char path[128];
    static const char *const suffixes[] = {"", ".mood", ".admin"};
    balancer_close(rig->balancer);
    if (rig->fake)
        fake_haproxy_drop(rig->fake);
    mailbox_close(rig->answers);
    for (size_t i = 0; i < 3; i++) {
        text_format(path, sizeof(path), "%s%s", rig->path, suffixes[i]);
        unlink(path);
    }
    rmdir(rig->dir);
    free(rig);
}

static void open_balancer(struct rig *rig, uint64_t timeout_ms)
{
    const char *const argv[] = {rig->path, rig->path, NULL};
    struct balancer_place place = {.kind = rig->kind,
                                   .name = "lb",
                                   .address = rig->path,
                                   .argv = argv,
                                   .timeout_ms = timeout_ms};
    struct balancer_backend backend = {.balancer = "lb", .backend = "shop", .pool_glob = "*"};
    struct error err = {0};
    if (balancer_open(&place, 1, &backend, 1, on_answer, rig, &rig->balancer, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

static void send_request(struct rig *rig, enum balancer_op op)
{
    struct balancer_request r = {.ticket = 7, .op = op, .server = "web01", .pool = "Shop"};
    if (op != BALANCER_OP_READ)
        r.places[r.place_count++] =
            (struct balancer_entry){.balancer = "lb", .backend = "shop", .name = "web01"};
    assert_true(balancer_ask(rig->balancer, &r));
}

/* One question to a balancer in that mood. */
static struct balancer_answer ask(struct rig *rig, enum mood mood, enum balancer_op op)
{
    bool is_haproxy = strcmp(rig->kind, "haproxy") == 0;
    (is_haproxy ? play_haproxy : play_command)(rig, mood, op);
    open_balancer(rig, mood == HANGS ? 300 : 20000);
    send_request(rig, op);
    struct balancer_answer *got = mailbox_take(rig->answers, UINT64_MAX);
    struct balancer_answer answer = *got;
    free(got);
    assert_int_equal(answer.ticket, 7);
    return answer;
}

static const enum balancer_op all_ops[] = {BALANCER_OP_READ, BALANCER_OP_DRAIN, BALANCER_OP_READY};

/* In that mood every op gives that code (0: any but ERR_NONE), without an entry, by name. */
static void expect_code(void **state, enum mood mood, enum error_code read_code,
                        enum error_code set_code)
{
    for (size_t i = 0; i < 3; i++) {
        struct rig *rig = rig_new(*state);
        struct balancer_answer a = ask(rig, mood, all_ops[i]);
        enum error_code want = all_ops[i] == BALANCER_OP_READ ? read_code : set_code;
        if (want ? a.code != want : a.code == ERR_NONE)
            fail_msg("%s op %d: %s \"%s\"", rig->kind, all_ops[i], error_code_name(a.code), a.text);
        assert_int_equal(a.entry_count, 0);
        assert_non_null(strstr(a.text, "balancer lb"));
        rig_free(rig);
    }
}

static void a_read_tells_everything(void **state)
{
    struct rig *rig = rig_new(*state);
    struct balancer_answer a = ask(rig, GOOD, BALANCER_OP_READ);
    assert_string_equal(a.text, "");
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entry_count, 1);
    assert_int_equal(a.entries[0].admin, BALANCER_READY);
    assert_true(a.entries[0].up);
    assert_int_equal(a.entries[0].sessions, 3);
    assert_int_equal(a.entries[0].others_serving, 1);
    rig_free(rig);
}

static void what_is_set_is_read_back(void **state)
{
    for (size_t i = 1; i < 3; i++) {
        struct rig *rig = rig_new(*state);
        struct balancer_answer a = ask(rig, GOOD, all_ops[i]);
        assert_string_equal(a.text, "");
        assert_int_equal(a.entries[0].admin,
                         all_ops[i] == BALANCER_OP_DRAIN ? BALANCER_DRAIN : BALANCER_READY);
        rig_free(rig);
    }
}

static void accepted_but_not_done_is_an_error(void **state)
{
    for (size_t i = 1; i < 3; i++) {
        struct rig *rig = rig_new(*state);
        struct balancer_answer a = ask(rig, LIES, all_ops[i]);
        if (a.code != ERR_STATE)
            fail_msg("%s \"%s\"", error_code_name(a.code), a.text);
        assert_int_equal(a.entry_count, 0);
        rig_free(rig);
    }
}

static void silence_ends_at_the_time_out(void **state)
{
    uint64_t start_ms = clock_boot_ms();
    expect_code(state, HANGS, ERR_TIMEOUT, ERR_TIMEOUT);
    assert_in_range(clock_boot_ms() - start_ms, 900, 30000);
}

static void half_an_answer_is_none(void **state)
{
    expect_code(state, CUT, ERR_CORRUPT, 0);
}

static void an_end_without_a_word_is_no_answer(void **state)
{
    expect_code(state, CLOSES, ERR_CORRUPT, 0);
}

static void one_that_is_gone_is_unreachable(void **state)
{
    expect_code(state, GONE, ERR_UNREACHABLE, ERR_UNREACHABLE);
}

static void a_server_it_does_not_know_is_not_found(void **state)
{
    expect_code(state, UNKNOWN, ERR_NOT_FOUND, ERR_NOT_FOUND);
}

static void a_refusal_is_denied(void **state)
{
    expect_code(state, DENIES, ERR_DENIED, ERR_DENIED);
}

static void what_it_never_promised_is_no_answer(void **state)
{
    expect_code(state, BABBLES, ERR_CORRUPT, 0);
}

static void closing_breaks_the_exchange_off(void **state)
{
    struct rig *rig = rig_new(*state);
    bool is_haproxy = strcmp(rig->kind, "haproxy") == 0;
    (is_haproxy ? play_haproxy : play_command)(rig, HANGS, BALANCER_OP_READ);
    open_balancer(rig, 1000 * 1000);
    send_request(rig, BALANCER_OP_READ);
    balancer_close(rig->balancer); /* returns at once, or the test runs into its time limit */
    rig->balancer = NULL;
    rig_free(rig);
}

#define ALL(f)                                                                                     \
    {                                                                                              \
#f, f, NULL, NULL, NULL                                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(a_read_tells_everything),
        ALL(what_is_set_is_read_back),
        ALL(accepted_but_not_done_is_an_error),
        ALL(silence_ends_at_the_time_out),
        ALL(half_an_answer_is_none),
        ALL(an_end_without_a_word_is_no_answer),
        ALL(one_that_is_gone_is_unreachable),
        ALL(a_server_it_does_not_know_is_not_found),
        ALL(a_refusal_is_denied),
        ALL(what_it_never_promised_is_no_answer),
        ALL(closing_breaks_the_exchange_off),
    };
    enum { TESTS = sizeof(tests) / sizeof(tests[0]) };
    static const char *const kinds[] = {"haproxy", "command"};
    int failed = 0;
    for (size_t k = 0; k < 2; k++) {
        struct CMUnitTest with[TESTS];
        for (size_t i = 0; i < TESTS; i++) {
            with[i] = tests[i];
            with[i].initial_state = (void *)(uintptr_t)kinds[k];
        }
        failed += _cmocka_run_group_tests(kinds[k], with, TESTS, NULL, NULL);
    }
    return failed;
}
