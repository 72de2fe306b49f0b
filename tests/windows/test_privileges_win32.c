/* What the service may do by privilege: what it says to the service manager, and what is left of a
 * process that kept to it. */
#include "agent/privileges_win32.h"

#include "common/must.h"
#include "common/sys_win32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void list_is_as_the_service_manager_takes_it(void **state)
{
    const wchar_t *at = privileges_list();
    size_t count = 0;
    (void)state;
    for (; *at; at += wcslen(at) + 1)
        assert_int_equal(wcscmp(at, privileges[count++].name), 0);
    assert_int_equal(count, PRIVILEGES);
    assert_ptr_equal(privileges_list(), privileges_list()); /* may be handed over more than once */
}

static void windows_knows_each_of_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < PRIVILEGES; i++) {
        LUID luid;
        assert_true(LookupPrivilegeValueW(NULL, privileges[i].name, &luid));
    }
}

static TOKEN_PRIVILEGES *held(void)
{
    HANDLE token;
    DWORD size = 4096;
    TOKEN_PRIVILEGES *all = must_alloc(size, 1);
    assert_true(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token));
    assert_true(GetTokenInformation(token, TokenPrivileges, all, size, &size));
    sys_close(&token);
    return all;
}

static bool is_listed(LUID luid)
{
    for (size_t i = 0; i < PRIVILEGES; i++) {
        LUID one;
        LookupPrivilegeValueW(NULL, privileges[i].name, &one);
        if (one.LowPart == luid.LowPart && one.HighPart == luid.HighPart)
            return true;
    }
    return false;
}

static void all_others_are_given_up_for_good(void **state)
{
    struct error err = {0};
    size_t removed = 0, before, again = 1;
    (void)state;
    TOKEN_PRIVILEGES *all = held();
    before = all->PrivilegeCount;
    free(all);
    assert_int_equal(privileges_keep(&removed, &err), ERR_NONE);
    assert_true(removed > 0); /* Wine gives an administrator's */
    all = held();
    assert_int_equal(all->PrivilegeCount, before - removed);
    for (DWORD i = 0; i < all->PrivilegeCount; i++)
        assert_true(is_listed(all->Privileges[i].Luid));
    free(all);
    sys_enable(L"SeShutdownPrivilege"); /* cannot be had back */
    assert_int_equal(privileges_keep(&again, &err), ERR_NONE);
    assert_int_equal(again, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_as_the_service_manager_takes_it),
        cmocka_unit_test(windows_knows_each_of_them),
        cmocka_unit_test(all_others_are_given_up_for_good),
    };
    return cmocka_run_group_tests_name("privileges_win32", tests, NULL, NULL);
}
