/* What is made of a directory that was there before us. */
#include "agent/home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static enum home_verdict judge(struct home_facts facts)
{
    const char *why = NULL;
    enum home_verdict verdict = home_judge(&facts, &why);
    bool silent = verdict == HOME_MAKE || verdict == HOME_KEEP;
    assert_true(silent == (why == NULL));
    return verdict;
}

static const struct home_facts right = {.exists = true, .directory = true, .owner_trusted = true};

static void what_is_not_there_is_made(void **state)
{
    (void)state;
    assert_int_equal(judge((struct home_facts){.empty = true}), HOME_MAKE);
}

static void what_is_right_is_kept(void **state)
{
    (void)state;
    assert_int_equal(judge(right), HOME_KEEP);
}

/* C:\ProgramData lets every user make directories: the known attack. */
static void somebody_elses_is_remade_when_empty_and_refused_otherwise(void **state)
{
    (void)state;
    struct home_facts facts = right;
    facts.owner_trusted = false;
    assert_int_equal(judge(facts), HOME_REFUSE);
    facts.empty = true;
    assert_int_equal(judge(facts), HOME_REMAKE);
}

static void a_link_is_refused_whoever_made_it(void **state)
{
    (void)state;
    struct home_facts facts = right;
    facts.link = true;
    facts.empty = true;
    assert_int_equal(judge(facts), HOME_REFUSE);
}

static void a_file_is_refused(void **state)
{
    (void)state;
    struct home_facts facts = right;
    facts.directory = false;
    assert_int_equal(judge(facts), HOME_REFUSE);
}

static void what_others_put_into_ours_is_refused(void **state)
{
    (void)state;
    struct home_facts facts = right;
    facts.foreign_own = true;
    facts.others_write = true;
    assert_int_equal(judge(facts), HOME_REFUSE);
}

static void ours_with_open_rights_is_tightened(void **state)
{
    (void)state;
    struct home_facts writing = right, reading = right, inheriting = right;
    writing.others_write = true;
    reading.others_read = true;
    inheriting.inherits = true;
    assert_int_equal(judge(writing), HOME_TIGHTEN);
    assert_int_equal(judge(reading), HOME_TIGHTEN);
    assert_int_equal(judge(inheriting), HOME_TIGHTEN);
}

/* Over all facts: nothing of somebody else's is ever kept, nor made ours with its content. */
static void nothing_foreign_is_believed(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 512; bits++) {
        struct home_facts facts = {
            .exists = bits & 1,
            .directory = bits & 2,
            .link = bits & 4,
            .owner_trusted = bits & 8,
            .others_write = bits & 16,
            .others_read = bits & 32,
            .inherits = bits & 64,
            .empty = bits & 128,
            .foreign_own = bits & 256,
        };
        enum home_verdict verdict = judge(facts);
        bool foreign = facts.link || !facts.directory || !facts.owner_trusted || facts.foreign_own;
        if (facts.exists && foreign)
            assert_true(verdict == HOME_REFUSE || (verdict == HOME_REMAKE && facts.empty));
        if (verdict == HOME_KEEP)
            assert_false(facts.others_write || facts.others_read || facts.inherits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_made),
        cmocka_unit_test(what_is_right_is_kept),
        cmocka_unit_test(somebody_elses_is_remade_when_empty_and_refused_otherwise),
        cmocka_unit_test(a_link_is_refused_whoever_made_it),
        cmocka_unit_test(a_file_is_refused),
        cmocka_unit_test(what_others_put_into_ours_is_refused),
        cmocka_unit_test(ours_with_open_rights_is_tightened),
        cmocka_unit_test(nothing_foreign_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
