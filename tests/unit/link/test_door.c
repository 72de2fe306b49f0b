/* Who is kept waiting at the agents' port: by address, and in all. */
#include "coordinator/link/door.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void one_address_has_so_many_and_no_more(void **state)
{
    struct door *d = door_new(4, 100);
    struct door_address *of[4], *other;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_non_null(of[i] = door_enter(d, "192.0.2.1"));
    assert_null(door_enter(d, "192.0.2.1"));
    assert_non_null(other = door_enter(d, "192.0.2.2"));
    door_leave(d, of[0]);
    assert_non_null(of[0] = door_enter(d, "192.0.2.1"));
    for (size_t i = 0; i < 4; i++)
        door_leave(d, of[i]);
    door_leave(d, other);
    door_free(d);
}

static void all_together_have_a_bound(void **state)
{
    struct door *d = door_new(4, 6);
    struct door_address *of[6];
    char name[32];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "192.0.2.%zu", i);
        assert_non_null(of[i] = door_enter(d, name));
    }
    assert_null(door_enter(d, "192.0.2.77"));
    assert_null(door_enter(d, "127.0.0.1"));
    for (size_t i = 0; i < 6; i++)
        door_leave(d, of[i]);
    assert_non_null(of[0] = door_enter(d, "192.0.2.77"));
    door_leave(d, of[0]);
    door_free(d);
}

static void this_machine_is_bound_by_the_total_alone(void **state)
{
    static const char *const ours[] = {"127.0.0.1", "[::1]", ""};
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct door *d = door_new(2, 10);
        struct door_address *of[10];
        for (size_t i = 0; i < 10; i++) {
            assert_non_null(of[i] = door_enter(d, ours[k]));
            assert_true(door_is_crowded(d, of[i]) == (i >= 5));
        }
        assert_null(door_enter(d, ours[k]));
        for (size_t i = 0; i < 10; i++)
            door_leave(d, of[i]);
        door_free(d);
    }
}

static void more_than_half_is_crowded_for_that_address_alone(void **state)
{
    struct door *d = door_new(4, 100);
    struct door_address *of[3], *other = door_enter(d, "192.0.2.2");
    (void)state;
    for (size_t i = 0; i < 3; i++)
        of[i] = door_enter(d, "192.0.2.1");
    assert_true(door_is_crowded(d, of[0]));
    assert_false(door_is_crowded(d, other));
    door_leave(d, of[2]);
    assert_false(door_is_crowded(d, of[0]));
    door_leave(d, of[1]);
    door_leave(d, of[0]);
    door_leave(d, other);
    door_free(d);
}

static void addresses_are_named_by_what_one_machine_is_given(void **state)
{
    static const uint8_t v4[4] = {192, 0, 2, 7};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const uint8_t same[16] = {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 99};
    static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 7};
    static const uint8_t own[16] = {[15] = 1};
    char name[DOOR_ADDRESS_MAX], other[DOOR_ADDRESS_MAX];
    (void)state;
    door_name(v4, NULL, name);
    assert_string_equal(name, "192.0.2.7");
    door_name(NULL, mapped, name);
    assert_string_equal(name, "192.0.2.7");
    door_name(NULL, v6, name);
    assert_string_equal(name, "[2001:0db8:0102:0304::/64]");
    door_name(NULL, same, other);
    assert_string_equal(name, other);
    door_name(NULL, own, name);
    assert_string_equal(name, "[::1]");
    door_name(NULL, NULL, name);
    assert_string_equal(name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_has_so_many_and_no_more),
        cmocka_unit_test(all_together_have_a_bound),
        cmocka_unit_test(this_machine_is_bound_by_the_total_alone),
        cmocka_unit_test(more_than_half_is_crowded_for_that_address_alone),
        cmocka_unit_test(addresses_are_named_by_what_one_machine_is_given),
    };
    return cmocka_run_group_tests_name("door", tests, NULL, NULL);
}
