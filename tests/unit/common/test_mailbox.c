/* test_mailbox.c - letters arrive once and in order; a wake is never lost. */
#include "tests/unit/common/testing.h"

#include "common/clock.h"
#include "common/mailbox.h"

#include <pthread.h>
#include <sched.h>

static void letters_come_in_order_and_the_box_is_bounded(void **state)
{
    (void)state;
    int letters[5];
    struct mailbox *box = mailbox_open(3, NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(mailbox_post(box, &letters[i]));
        assert_false(mailbox_post(box, &letters[3]));
        assert_ptr_equal(mailbox_take(box, 0), &letters[0]);
        assert_true(mailbox_post(box, &letters[4]));
        assert_ptr_equal(mailbox_take(box, UINT64_MAX), &letters[1]);
        assert_ptr_equal(mailbox_take(box, UINT64_MAX), &letters[2]);
        assert_ptr_equal(mailbox_take(box, UINT64_MAX), &letters[4]);
    }
    mailbox_close(box);
    mailbox_close(NULL);
}

static void a_deadline_that_has_passed_does_not_wait(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_open(1, NULL);
    assert_null(mailbox_take(box, 0));
    assert_null(mailbox_take(box, clock_boot_ms()));
    uint64_t deadline = clock_boot_ms() + 30;
    assert_null(mailbox_take(box, deadline));
    assert_true(clock_boot_ms() >= deadline);
    mailbox_close(box);
}

static void a_wake_before_the_wait_counts_and_comes_first(void **state)
{
    (void)state;
    int letter;
    struct mailbox *box = mailbox_open(1, NULL);
    mailbox_wake(box);
    mailbox_wake(box);
    assert_true(mailbox_post(box, &letter));
    assert_null(mailbox_take(box, UINT64_MAX));
    assert_ptr_equal(mailbox_take(box, UINT64_MAX), &letter);
    assert_null(mailbox_take(box, 0));
    mailbox_close(box);
}

static int released;

static void count_release(void *letter)
{
    (void)letter;
    released++;
}

static void what_is_left_is_released(void **state)
{
    (void)state;
    int letters[3];
    struct mailbox *box = mailbox_open(4, count_release);
    for (int i = 0; i < 3; i++)
        assert_true(mailbox_post(box, &letters[i]));
    assert_ptr_equal(mailbox_take(box, 0), &letters[0]);
    mailbox_close(box);
    assert_int_equal(released, 2);
}

#define POSTERS 4
#define LETTERS 2000

struct poster {
    struct mailbox *box;
    int numbers[LETTERS];
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < LETTERS; i++) {
        poster->numbers[i] = i;
        while (!mailbox_post(poster->box, &poster->numbers[i]))
            sched_yield();
    }
    return NULL;
}

static void many_post_one_takes_nothing_is_lost(void **state)
{
    (void)state;
    static struct poster posters[POSTERS];
    struct mailbox *box = mailbox_open(8, NULL);
    pthread_t threads[POSTERS];
    int next[POSTERS] = {0};
    for (int i = 0; i < POSTERS; i++) {
        posters[i].box = box;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    for (int n = 0; n < POSTERS * LETTERS; n++) {
        const int *letter = mailbox_take(box, UINT64_MAX);
        assert_non_null(letter);
        int from = 0;
        while (letter < posters[from].numbers || letter >= posters[from].numbers + LETTERS)
            from++;
        assert_int_equal(*letter, next[from]);
        next[from]++;
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    mailbox_close(box);
}

static void *wake_once(void *arg)
{
    mailbox_wake(arg);
    return NULL;
}

/* Were a wake lost, this would not end. */
static void a_wake_at_any_moment_is_seen(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_open(1, NULL);
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_once, box), 0);
        assert_null(mailbox_take(box, UINT64_MAX));
        pthread_join(thread, NULL);
    }
    mailbox_close(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_come_in_order_and_the_box_is_bounded),
        cmocka_unit_test(a_deadline_that_has_passed_does_not_wait),
        cmocka_unit_test(a_wake_before_the_wait_counts_and_comes_first),
        cmocka_unit_test(what_is_left_is_released),
        cmocka_unit_test(many_post_one_takes_nothing_is_lost),
        cmocka_unit_test(a_wake_at_any_moment_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
