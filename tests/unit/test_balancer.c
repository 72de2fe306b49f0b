/* The balancer against a scripted HAProxy: the map, the thread, and every odd answer. */
#include "coordinator/balancer/balancer.h"

#include "common/mailbox.h"
#include "common/must.h"
#include "common/text.h"
#include "coordinator/balancer/haproxy.h"
#include "fake_haproxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PLACE(called, where, limit_ms)                                                             \
    {                                                                                              \
        .kind = "haproxy", .name = (called), .address = (where), .timeout_ms = (limit_ms)          \
    }

/* What a read of the backend shop says, in the columns we read and some more. */
#define STATE_HEAD                                                                                 \
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "        \
    "srv_iweight\n"
#define STAT_HEAD "# pxname,svname,qcur,qmax,scur,smax,status,weight,act,bck,last_chk,\n"
#define INFO      "Name: HAProxy\nPid: 4711\nUptime_sec: 9\nStart_time_sec: 1795738064\nTainted: 0\n\n"
#define READ_SHOP "show servers state shop;show stat shop 4 -1;show info"

/* web01 as given; web02 serves, web03 is down, web04 is a backup, web05 has weight 0. */
#define SHOP(op, admin, sessions)                                                                  \
    STATE_HEAD "2 shop 1 web01 127.0.0.1 " op " " admin " 1 1\n"                                   \
               "2 shop 2 web02 127.0.0.1 2 0 1 1\n2 shop 3 web03 127.0.0.1 0 0 1 1\n"              \
               "2 shop 4 web04 127.0.0.1 2 0 1 1\n2 shop 5 web05 127.0.0.1 2 0 0 1\n\n" STAT_HEAD  \
               "shop,web01,0,0," sessions ",9,UP,1,1,0,\"said \"\"x\"\", then y\",\n"              \
               "shop,web02,0,0,0,0,UP,1,1,0,,\nshop,web03,0,0,0,0,DOWN,1,1,0,,\n"                  \
               "shop,web04,0,0,0,0,UP,1,0,1,,\nshop,web05,0,0,0,0,UP,0,1,0,,\n\n" INFO

struct farm {
    char dir[64];
    char path[2][96];
    struct mailbox *answers; /* of struct balancer_answer * */
    struct balancer *balancer;
    struct fake_haproxy *fakes[2];
};

static void on_answer(void *arg, const struct balancer_answer *answer)
{
    struct farm *farm = arg;
    struct balancer_answer *copy = must_alloc(1, sizeof(*copy));
    *copy = *answer;
    must(mailbox_post(farm->answers, copy));
}

static int set_up(void **state)
{
    struct farm *farm = must_alloc(1, sizeof(*farm));
    strcpy(farm->dir, "/tmp/balancer-XXXXXX");
    must(mkdtemp(farm->dir) != NULL);
    text_format(farm->path[0], sizeof(farm->path[0]), "%s/lb1", farm->dir);
    text_format(farm->path[1], sizeof(farm->path[1]), "%s/lb2", farm->dir);
    farm->answers = mailbox_open(300, free);
    *state = farm;
    return 0;
}

static int tear_down(void **state)
{
    struct farm *farm = *state;
    balancer_close(farm->balancer);
    mailbox_close(farm->answers);
    unlink(farm->path[0]);
    unlink(farm->path[1]);
    rmdir(farm->dir);
    free(farm);
    return 0;
}

/* One balancer lb1 at `address` with backend shop for all pools. */
static void open_one(struct farm *farm, const char *address, uint64_t timeout_ms)
{
    struct balancer_place place = PLACE("lb1", address, timeout_ms);
    struct balancer_backend backend = {.balancer = "lb1", .backend = "shop", .pool_glob = "*"};
    struct error err = {0};
    assert_int_equal(balancer_open(&place, 1, &backend, 1, on_answer, farm, &farm->balancer, &err),
                     ERR_NONE);
}

static struct balancer_request request_of(enum balancer_op op, const char *server, const char *pool)
{
    struct balancer_request r = {.ticket = 7, .op = op};
    text_copy(r.server, sizeof(r.server), server);
    text_copy(r.pool, sizeof(r.pool), pool);
    return r;
}

static void add_place(struct balancer_request *r, const char *balancer, const char *backend,
                      const char *name)
{
    struct balancer_entry *e = &r->places[r->place_count++];
    text_copy(e->balancer, sizeof(e->balancer), balancer);
    text_copy(e->backend, sizeof(e->backend), backend);
    text_copy(e->name, sizeof(e->name), name);
}

static struct balancer_answer ask(struct farm *farm, const struct balancer_request *r)
{
    assert_true(balancer_ask(farm->balancer, r));
    struct balancer_answer *got = mailbox_take(farm->answers, UINT64_MAX);
    struct balancer_answer answer = *got;
    free(got);
    assert_int_equal(answer.ticket, r->ticket);
    return answer;
}

static struct balancer_answer ask_read(struct farm *farm)
{
    struct balancer_request r = request_of(BALANCER_OP_READ, "web01", "Shop");
    return ask(farm, &r);
}

/* Plays one script on lb1 and gives the answer to one question. */
static struct balancer_answer play(struct farm *farm, const struct fake_step *steps, size_t count,
                                   enum balancer_op op, uint64_t timeout_ms)
{
    struct fake_haproxy *fake = fake_haproxy_open(farm->path[0], steps, count);
    open_one(farm, farm->path[0], timeout_ms);
    struct balancer_request r = request_of(op, "web01", "Shop");
    if (op != BALANCER_OP_READ)
        add_place(&r, "lb1", "shop", "web01");
    struct balancer_answer answer = ask(farm, &r);
    fake_haproxy_close(fake);
    return answer;
}

static void assert_says(const struct balancer_answer *a, enum error_code code, const char *words)
{
    if (a->code != code || !strstr(a->text, words))
        fail_msg("code %s, text \"%s\"; expected %s with \"%s\"", error_code_name(a->code), a->text,
                 error_code_name(code), words);
    assert_int_equal(a->entry_count, 0);
}

/* ---- the map ---- */

static void map_gives_every_backend_that_serves_the_pool(void **state)
{
    (void)state;
    const struct balancer_backend backends[] = {
        {.balancer = "lb1", .backend = "shop", .pool_glob = "Shop"},
        {.balancer = "lb2", .backend = "shop", .pool_glob = "shop", .name_of = "iis-{server}"},
        {.balancer = "lb1", .backend = "crm", .pool_glob = "Crm*"},
    };
    struct balancer_entry out[4];
    assert_int_equal(balancer_map(backends, 3, "web01", "Shop", out, 4), 2);
    assert_string_equal(out[0].name, "web01");
    assert_string_equal(out[1].balancer, "lb2");
    assert_string_equal(out[1].name, "iis-web01");
    assert_int_equal(balancer_map(backends, 3, "web01", "CrmApi", out, 4), 1);
    assert_int_equal(balancer_map(backends, 3, "web01", "Blog", out, 4), 0);
    assert_int_equal(balancer_map(backends, 3, "web01", "", out, 4), 3);
    assert_int_equal(balancer_map(backends, 3, "web01", "", out, 2), 2);
}

static void map_renames_and_leaves_out(void **state)
{
    (void)state;
    const char *const renamed[] = {"web01:srv1", "web9*:-", "db*:x-{server}", NULL};
    const struct balancer_backend b = {
        .balancer = "lb1", .backend = "shop", .pool_glob = "*", .renamed = renamed};
    struct balancer_entry out[1];
    assert_int_equal(balancer_map(&b, 1, "web01", "Shop", out, 1), 1);
    assert_string_equal(out[0].name, "srv1");
    assert_int_equal(balancer_map(&b, 1, "web95", "Shop", out, 1), 0);
    assert_int_equal(balancer_map(&b, 1, "db3", "Shop", out, 1), 1);
    assert_string_equal(out[0].name, "x-db3");
    assert_int_equal(balancer_map(&b, 1, "web02", "Shop", out, 1), 1);
    assert_string_equal(out[0].name, "web02");
}

static void map_names_a_place_once(void **state)
{
    (void)state;
    const struct balancer_backend backends[] = {
        {.balancer = "lb1", .backend = "shop", .pool_glob = "Shop"},
        {.balancer = "lb1", .backend = "shop", .pool_glob = "S*"},
    };
    struct balancer_entry out[2];
    assert_int_equal(balancer_map(backends, 2, "web01", "Shop", out, 2), 1);
}

static void impossible_configurations_are_refused(void **state)
{
    const struct balancer_place good = PLACE("lb1", "/run/x.sock", 1000);
    const char *const no_pair[] = {"web01", NULL};
    const struct {
        struct balancer_place place;
        struct balancer_backend backend;
        const char *says;
    } cases[] = {
        {PLACE("lb1", "localhost", 1000), {.balancer = "lb1", .backend = "b"}, "host:port"},
        {PLACE("lb1", "::1:99", 1000), {.balancer = "lb1", .backend = "b"}, "[::1]:port"},
        {PLACE("lb1", "h:70000", 1000), {.balancer = "lb1", .backend = "b"}, "host:port"},
        {PLACE("lb1", "/x", 0), {.balancer = "lb1", .backend = "b"}, "time limit"},
        {PLACE("l b", "/x", 9), {.balancer = "l b", .backend = "b"}, "name of a balancer"},
        {good, {.balancer = "lb2", .backend = "b"}, "add a [haproxy lb2] or [command lb2] section"},
        {good, {.balancer = "lb1", .backend = "a;b"}, "name of a backend"},
        {good, {.balancer = "lb1", .backend = "b", .renamed = no_pair}, "server:name"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct balancer *b = NULL;
        assert_int_equal(
            balancer_open(&cases[i].place, 1, &cases[i].backend, 1, on_answer, *state, &b, &err),
            ERR_INVALID);
        assert_null(b);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].says);
    }
}

/* ---- reading ---- */

static void read_tells_state_sessions_and_what_remains(void **state)
{
    struct fake_step steps[] = {{READ_SHOP, SHOP("2", "0", "3"), FAKE_CLOSE}};
    struct balancer_answer a = play(*state, steps, 1, BALANCER_OP_READ, 5000);
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entry_count, 1);
    assert_int_equal(a.entries[0].admin, BALANCER_READY);
    assert_true(a.entries[0].up);
    assert_int_equal(a.entries[0].sessions, 3);
    /* Of the four others one is down, one a backup, one without weight. */
    assert_int_equal(a.entries[0].others_serving, 1);
}

/* The background round: one exchange for all servers of a backend. What a decision asks is always
 * read afresh, and after a set nothing older is told. */
static void one_reading_does_for_all_servers_of_a_backend(void **state)
{
    struct farm *farm = *state;
    struct fake_step steps[] = {{READ_SHOP, SHOP("2", "0", "3"), FAKE_CLOSE},
                                {READ_SHOP, SHOP("2", "0", "4"), FAKE_CLOSE},
                                {"set server shop/web01 state drain", "\n", FAKE_CLOSE},
                                {READ_SHOP, SHOP("2", "8", "5"), FAKE_CLOSE}};
    struct fake_haproxy *fake = fake_haproxy_open(farm->path[0], steps, COUNT(steps));
    open_one(farm, farm->path[0], 5000);
    struct balancer_request old = request_of(BALANCER_OP_READ, "web01", "");
    old.may_be_ms = UINT32_MAX;
    assert_int_equal(ask(farm, &old).entries[0].sessions, 3);
    usleep(2000);
    text_copy(old.server, sizeof(old.server), "web03");
    struct balancer_answer a = ask(farm, &old);
    assert_false(a.entries[0].up);
    assert_string_equal(a.entries[0].name, "web03");
    assert_int_equal(a.entries[0].others_serving, 2);
    assert_true(a.age_ms > 0);
    text_copy(old.server, sizeof(old.server), "web99");
    a = ask(farm, &old);
    assert_says(&a, ERR_NOT_FOUND, "has no server \"web99\"");
    a = ask_read(farm);
    assert_int_equal(a.entries[0].sessions, 4);
    assert_int_equal(a.age_ms, 0);
    struct balancer_request drain = request_of(BALANCER_OP_DRAIN, "web01", "");
    add_place(&drain, "lb1", "shop", "web01");
    assert_int_equal(ask(farm, &drain).code, ERR_NONE);
    text_copy(old.server, sizeof(old.server), "web01");
    a = ask(farm, &old);
    assert_int_equal(a.entries[0].admin, BALANCER_DRAIN);
    assert_int_equal(a.entries[0].sessions, 5);
    fake_haproxy_close(fake);
}

static void admin_bits_are_told_apart(void **state)
{
    const struct {
        const char *admin;
        enum balancer_admin want;
    } cases[] = {{"0", BALANCER_READY},  {"1", BALANCER_MAINT},  {"4", BALANCER_MAINT},
                 {"8", BALANCER_DRAIN},  {"16", BALANCER_DRAIN}, {"32", BALANCER_MAINT},
                 {"64", BALANCER_MAINT}, {"9", BALANCER_MAINT}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char answer[512];
        struct haproxy_server *servers = NULL;
        size_t count = 0;
        struct error err = {0};
        text_format(answer, sizeof(answer),
                    STATE_HEAD "2 b 1 s1 - 3 %s 1 1\n\n" STAT_HEAD
                               "b,s1,2,0,5,0,UP,1,1,0,,\n\n" INFO,
                    cases[i].admin);
        assert_int_equal(haproxy_parse(answer, "b", &servers, &count, &err), ERR_NONE);
        assert_int_equal(count, 1);
        assert_int_equal(servers[0].admin, cases[i].want);
        assert_false(servers[0].up); /* 3: its check asks for no new visitors */
        assert_int_equal(servers[0].sessions, 7);
        assert_int_equal(servers[0].life, (4711ull << 32) + 1795738064);
        free(servers);
    }
}

static void server_behind_no_backend_reads_as_empty(void **state)
{
    struct farm *farm = *state;
    struct balancer_place place = PLACE("lb1", farm->path[0], 1000);
    struct balancer_backend backend = {.balancer = "lb1", .backend = "shop", .pool_glob = "Other"};
    struct error err = {0};
    assert_int_equal(balancer_open(&place, 1, &backend, 1, on_answer, farm, &farm->balancer, &err),
                     ERR_NONE);
    struct balancer_answer a = ask_read(farm); /* nobody listens: nothing is asked either */
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entry_count, 0);
}

/* ---- setting ---- */

static void drain_sets_then_reads(void **state)
{
    struct fake_step steps[] = {{"set server shop/web01 state drain", "\n", FAKE_CLOSE},
                                {READ_SHOP, SHOP("2", "8", "2"), FAKE_CLOSE}};
    struct balancer_answer a = play(*state, steps, 2, BALANCER_OP_DRAIN, 5000);
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entries[0].admin, BALANCER_DRAIN);
    assert_int_equal(a.entries[0].sessions, 2);
}

static void ready_sets_then_reads(void **state)
{
    struct fake_step steps[] = {{"set server shop/web01 state ready", "\n", FAKE_CLOSE},
                                {READ_SHOP, SHOP("2", "0", "0"), FAKE_CLOSE}};
    struct balancer_answer a = play(*state, steps, 2, BALANCER_OP_READY, 5000);
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entries[0].admin, BALANCER_READY);
}

static void accepted_but_not_done_is_an_error(void **state)
{
    struct fake_step steps[] = {{"set server shop/web01 state ready", "\n", FAKE_CLOSE},
                                {READ_SHOP, SHOP("0", "2", "0"), FAKE_CLOSE}};
    struct balancer_answer a = play(*state, steps, 2, BALANCER_OP_READY, 5000);
    assert_says(&a, ERR_STATE, "set to ready but is in maint");
}

static void setting_nothing_is_refused(void **state)
{
    struct farm *farm = *state;
    open_one(farm, farm->path[0], 1000);
    struct balancer_request r = request_of(BALANCER_OP_DRAIN, "web01", "Shop");
    struct balancer_answer a = ask(farm, &r);
    assert_says(&a, ERR_INVALID, "0 places");
    r.place_count = BALANCER_ENTRIES_MAX + 1;
    a = ask(farm, &r);
    assert_says(&a, ERR_INVALID, "33 places");
}

static void hostile_names_never_reach_a_command(void **state)
{
    struct farm *farm = *state;
    open_one(farm, farm->path[0], 1000); /* nobody listens: a dial would be ERR_UNREACHABLE */
    struct balancer_request r = request_of(BALANCER_OP_READ, "web01;shutdown", "Shop");
    struct balancer_answer a = ask(farm, &r);
    assert_says(&a, ERR_INVALID, "cannot be the name of a server");
    r = request_of(BALANCER_OP_DRAIN, "web01", "Shop");
    add_place(&r, "lb1", "shop", "web01 weight 0");
    a = ask(farm, &r);
    assert_says(&a, ERR_INVALID, "cannot be the name of a server");
    r = request_of(BALANCER_OP_READ,
                   "a-name-that-is-much-too-long-for-haproxy-and-would-be-cut-to-another-one", "");
    a = ask(farm, &r);
    assert_says(&a, ERR_INVALID, "cannot be the name of a server");
}

static void forgotten_balancer_is_named(void **state)
{
    struct farm *farm = *state;
    open_one(farm, farm->path[0], 1000);
    struct balancer_request r = request_of(BALANCER_OP_READY, "web01", "Shop");
    add_place(&r, "old", "shop", "web01");
    struct balancer_answer a = ask(farm, &r);
    assert_says(&a, ERR_NOT_FOUND, "[haproxy old]");
}

/* ---- odd answers ---- */

static void refusals_say_what_to_do(void **state)
{
    const struct {
        enum balancer_op op;
        const char *answer;
        enum error_code code;
        const char *says;
    } cases[] = {
        {BALANCER_OP_DRAIN, "No such backend.\n\n", ERR_NOT_FOUND, "compare the [backend]"},
        {BALANCER_OP_DRAIN, "No such server.\n\n", ERR_NOT_FOUND, "give its name there"},
        {BALANCER_OP_DRAIN, "Permission denied\n\n", ERR_DENIED, "level admin"},
        {BALANCER_OP_DRAIN, "Require 'backend/server'.\n\n", ERR_CORRUPT, "Require 'backend"},
        {BALANCER_OP_READY, "\x1b[31mhello\n\n", ERR_CORRUPT, "\"?[31mhello\""},
        {BALANCER_OP_READ, "Can't find backend.\n\nNo such proxy.\n\n", ERR_NOT_FOUND,
         "no backend \"shop\""},
        {BALANCER_OP_READ, "HTTP/1.1 400 Bad request\n\n", ERR_CORRUPT, "HTTP/1.1 400"},
        {BALANCER_OP_READ, "\n", ERR_CORRUPT, "unexpected answer"},
        {BALANCER_OP_READ, "", ERR_CORRUPT, "cut after 0 bytes"},
        {BALANCER_OP_READ, STATE_HEAD "2 shop 1 web01 127.0.0.1 2", ERR_CORRUPT, "cut after"},
        {BALANCER_OP_READ, STATE_HEAD "2 shop 1 web01 - 2 0 1 1\n\n", ERR_CORRUPT, "unexpected"},
        {BALANCER_OP_READ, STATE_HEAD "2 shop 1 web01 - 2\n\n" STAT_HEAD "\n", ERR_CORRUPT,
         "srv_admin_state"},
        {BALANCER_OP_READ, STATE_HEAD "2 shop 1 web01 - 9 0 1 1\n\n" STAT_HEAD "\n", ERR_CORRUPT,
         "srv_op_state holds \"9\""},
        {BALANCER_OP_READ, "1\n# be_name srv_name\nshop web01\n\n" STAT_HEAD "\n", ERR_CORRUPT,
         "no column srv_op_state"},
        {BALANCER_OP_READ, STATE_HEAD "2 shop 1 web01 - 2 0 1 1\n\n" STAT_HEAD "\n", ERR_CORRUPT,
         "does not name server web01"},
        {BALANCER_OP_READ,
         STATE_HEAD "2 shop 1 web01 - 2 0 1 1\n\n" STAT_HEAD "shop,web01,0,0,-1,0,UP,1,1,0,,\n\n",
         ERR_CORRUPT, "scur holds \"-1\""},
        {BALANCER_OP_READ,
         STATE_HEAD "2 shop 1 web07 - 2 0 1 1\n\n" STAT_HEAD
                    "shop,web07,0,0,1,0,UP,1,1,0,,\n\n" INFO,
         ERR_NOT_FOUND, "has no server \"web01\""},
        {BALANCER_OP_READ, STATE_HEAD "\n" STAT_HEAD "\nName: HAProxy\n\n", ERR_CORRUPT,
         "does not tell HAProxy's process"},
        {BALANCER_OP_READ, STATE_HEAD "\n" STAT_HEAD "\n" INFO, ERR_NOT_FOUND, "has no server"},
    };
    struct farm *farm = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake_step step = {NULL, cases[i].answer, FAKE_CLOSE};
        struct balancer_answer a = play(farm, &step, 1, cases[i].op, 5000);
        assert_says(&a, cases[i].code, cases[i].says);
        assert_non_null(strstr(a.text, "lb1"));
        balancer_close(farm->balancer);
        farm->balancer = NULL;
    }
}

/* Cut anywhere, an answer is never taken for a whole one. */
static void every_cut_is_noticed(void **state)
{
    (void)state;
    const char *whole = SHOP("2", "0", "3");
    for (size_t len = 0; len < strlen(whole); len++) {
        char *cut = strndup(whole, len);
        struct haproxy_server *servers = NULL;
        size_t count = 0;
        struct error err = {0};
        bool closed = len >= 2 && cut[len - 1] == '\n' && cut[len - 2] == '\n';
        enum error_code code = closed ? haproxy_parse(cut, "shop", &servers, &count, &err)
                                      : ERR_CORRUPT; /* haproxy_exchange: see the script above */
        assert_int_equal(code, ERR_CORRUPT);
        assert_null(servers);
        free(cut);
    }
}

static void silence_ends_at_the_deadline(void **state)
{
    struct fake_step step = {READ_SHOP, STATE_HEAD, FAKE_HANG};
    struct balancer_answer a = play(*state, &step, 1, BALANCER_OP_READ, 50);
    assert_says(&a, ERR_TIMEOUT, "no answer within 50 ms");
}

static void reset_in_the_middle_is_unreachable(void **state)
{
    struct farm *farm = *state;
    struct fake_step step = {READ_SHOP, STATE_HEAD, FAKE_RESET};
    struct fake_haproxy *fake = fake_haproxy_open(NULL, &step, 1);
    open_one(farm, fake_haproxy_address(fake), 5000);
    struct balancer_answer a = ask_read(farm);
    assert_says(&a, ERR_UNREACHABLE, "connection broke");
    fake_haproxy_close(fake);
}

static void socket_that_disappears_and_comes_back(void **state)
{
    struct farm *farm = *state;
    struct fake_step first = {READ_SHOP, SHOP("2", "0", "1"), FAKE_CLOSE};
    struct balancer_answer a = play(farm, &first, 1, BALANCER_OP_READ, 5000);
    assert_int_equal(a.code, ERR_NONE);
    a = ask_read(farm); /* refused: the file is there, nobody listens */
    assert_says(&a, ERR_UNREACHABLE, "is HAProxy running");
    unlink(farm->path[0]);
    a = ask_read(farm);
    assert_says(&a, ERR_UNREACHABLE, "is HAProxy running");
    struct fake_step again = {READ_SHOP, SHOP("2", "0", "0"), FAKE_CLOSE};
    struct fake_haproxy *fake = fake_haproxy_open(farm->path[0], &again, 1);
    a = ask_read(farm);
    assert_int_equal(a.code, ERR_NONE);
    fake_haproxy_close(fake);
}

static void gone_between_set_and_read_is_told(void **state)
{
    struct fake_step step = {"set server shop/web01 state drain", "\n", FAKE_CLOSE};
    struct balancer_answer a = play(*state, &step, 1, BALANCER_OP_DRAIN, 5000);
    assert_says(&a, ERR_UNREACHABLE, "cannot connect");
}

static void unresolved_host_is_unreachable(void **state)
{
    struct farm *farm = *state;
    open_one(farm, "no-such-host.invalid:9999", 1000);
    struct balancer_answer a = ask_read(farm);
    assert_says(&a, ERR_UNREACHABLE, "no-such-host.invalid");
}

/* ---- several balancers ---- */

static void open_two(struct farm *farm)
{
    struct balancer_place places[] = {PLACE("lb1", farm->path[0], 2000),
                                      PLACE("lb2", farm->path[1], 2000)};
    struct balancer_backend backends[] = {
        {.balancer = "lb1", .backend = "shop", .pool_glob = "*"},
        {.balancer = "lb2", .backend = "shop", .pool_glob = "*"},
    };
    struct error err = {0};
    assert_int_equal(balancer_open(places, 2, backends, 2, on_answer, farm, &farm->balancer, &err),
                     ERR_NONE);
}

static struct balancer_request both(enum balancer_op op)
{
    struct balancer_request r = request_of(op, "web01", "Shop");
    add_place(&r, "lb1", "shop", "web01");
    add_place(&r, "lb2", "shop", "web01");
    return r;
}

static void server_behind_two_balancers_is_set_on_both(void **state)
{
    struct farm *farm = *state;
    struct fake_step one[] = {{"set server shop/web01 state drain", "\n", FAKE_CLOSE},
                              {READ_SHOP, SHOP("2", "8", "1"), FAKE_CLOSE}};
    struct fake_step two[] = {{"set server shop/web01 state drain", "\n", FAKE_CLOSE},
                              {READ_SHOP, SHOP("2", "8", "4"), FAKE_CLOSE}};
    struct fake_haproxy *lb1 = fake_haproxy_open(farm->path[0], one, 2);
    struct fake_haproxy *lb2 = fake_haproxy_open(farm->path[1], two, 2);
    open_two(farm);
    struct balancer_request r = both(BALANCER_OP_DRAIN);
    struct balancer_answer a = ask(farm, &r);
    assert_int_equal(a.code, ERR_NONE);
    assert_int_equal(a.entry_count, 2);
    assert_int_equal(a.entries[0].sessions + a.entries[1].sessions, 5);
    assert_string_equal(a.entries[1].balancer, "lb2");
    fake_haproxy_close(lb1);
    fake_haproxy_close(lb2);
}

static void drain_stops_at_the_first_failure_and_says_how_far(void **state)
{
    struct farm *farm = *state;
    struct fake_step one[] = {{"set server shop/web01 state drain", "\n", FAKE_CLOSE}};
    struct fake_haproxy *lb1 = fake_haproxy_open(farm->path[0], one, 1);
    open_two(farm); /* lb2 is not there */
    struct balancer_request r = both(BALANCER_OP_DRAIN);
    struct balancer_answer a = ask(farm, &r);
    assert_says(&a, ERR_UNREACHABLE, "1 of 2 places set to drain: balancer lb2");
    fake_haproxy_close(lb1);
}

static void putting_back_goes_on_after_a_failure(void **state)
{
    struct farm *farm = *state;
    struct fake_step two[] = {{"set server shop/web01 state ready", "\n", FAKE_CLOSE}};
    struct fake_haproxy *lb2 = fake_haproxy_open(farm->path[1], two, 1);
    open_two(farm); /* lb1 is not there */
    struct balancer_request r = both(BALANCER_OP_READY);
    struct balancer_answer a = ask(farm, &r);
    assert_says(&a, ERR_UNREACHABLE, "1 of 2 places set to ready: balancer lb1");
    fake_haproxy_close(lb2);
}

/* ---- the thread ---- */

static void full_queue_says_no_and_close_breaks_off(void **state)
{
    struct farm *farm = *state;
    struct fake_step step = {READ_SHOP, NULL, FAKE_HANG};
    struct fake_haproxy *fake = fake_haproxy_open(farm->path[0], &step, 1);
    open_one(farm, farm->path[0], 1000 * 1000); /* would hang for a quarter of an hour */
    struct balancer_request r = request_of(BALANCER_OP_READ, "web01", "Shop");
    size_t taken = 0;
    while (taken < 2000 && balancer_ask(farm->balancer, &r))
        taken++;
    assert_in_range(taken, 256, 257); /* one may be in the thread's hands */
    balancer_close(farm->balancer);
    farm->balancer = NULL;
    struct balancer_answer *a = mailbox_take(farm->answers, 0);
    if (a) {
        assert_int_equal(a->code, ERR_UNAVAILABLE);
        free(a);
    }
    fake_haproxy_drop(fake); /* the exchange may have been broken off before it was dialled */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_gives_every_backend_that_serves_the_pool),
        cmocka_unit_test(map_renames_and_leaves_out),
        cmocka_unit_test(map_names_a_place_once),
        cmocka_unit_test_setup_teardown(impossible_configurations_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_tells_state_sessions_and_what_remains, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_reading_does_for_all_servers_of_a_backend, set_up,
                                        tear_down),
        cmocka_unit_test(admin_bits_are_told_apart),
        cmocka_unit_test_setup_teardown(server_behind_no_backend_reads_as_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(drain_sets_then_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ready_sets_then_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(accepted_but_not_done_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(setting_nothing_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_names_never_reach_a_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgotten_balancer_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_say_what_to_do, set_up, tear_down),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test_setup_teardown(silence_ends_at_the_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reset_in_the_middle_is_unreachable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(socket_that_disappears_and_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gone_between_set_and_read_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unresolved_host_is_unreachable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(server_behind_two_balancers_is_set_on_both, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(drain_stops_at_the_first_failure_and_says_how_far, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(putting_back_goes_on_after_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_queue_says_no_and_close_breaks_off, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
