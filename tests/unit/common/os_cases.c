/* os_cases.c - see os_cases.h. */
#include "tests/unit/common/os_cases.h"
#include "tests/unit/common/testing.h"

#include "common/os.h"

void the_boot_id_stays_and_random_bytes_do_not(void **state)
{
    (void)state;
    uint8_t a[16], b[16];
    struct error err = {0};
    assert_code(os_boot_id(a, &err), ERR_NONE, &err);
    assert_code(os_boot_id(b, &err), ERR_NONE, &err);
    assert_memory_equal(a, b, 16);
    assert_code(os_random(a, 16, &err), ERR_NONE, &err);
    assert_code(os_random(b, 16, &err), ERR_NONE, &err);
    assert_memory_not_equal(a, b, 16);
    assert_code(os_random(a, 0, &err), ERR_NONE, &err);
}

void a_changed_file_has_another_identity(void **state)
{
    struct error err = {0};
    struct os_file_id a, b;
    const char *path = in_dir(state, "changing");
    assert_code(os_file_id(path, &a, &err), ERR_NONE, &err);
    assert_true(a.inode == 0 && a.size_bytes == 0 && a.modified_ns == 0);
    assert_code(os_write_file(path, "one", 3, 0600, &err), ERR_NONE, &err);
    assert_code(os_file_id(path, &a, &err), ERR_NONE, &err);
    assert_true(a.inode != 0 && a.size_bytes == 3);
    assert_code(os_write_file(path, "two", 3, 0600, &err), ERR_NONE, &err);
    assert_code(os_file_id(path, &b, &err), ERR_NONE, &err);
    assert_memory_not_equal(&a, &b, sizeof(a));
}

void a_piece_is_read_from_any_place(void **state)
{
    struct error err = {0};
    char piece[4];
    size_t got = 99;
    const char *path = in_dir(state, "pieces");
    assert_code(os_write_file(path, "0123456789", 10, 0600, &err), ERR_NONE, &err);
    assert_code(os_read_at(path, 3, piece, 4, &got, &err), ERR_NONE, &err);
    assert_int_equal(got, 4);
    assert_memory_equal(piece, "3456", 4);
    assert_code(os_read_at(path, 8, piece, 4, &got, &err), ERR_NONE, &err);
    assert_int_equal(got, 2);
    assert_code(os_read_at(path, UINT64_C(5) << 30, piece, 4, &got, &err), ERR_NONE, &err);
    assert_int_equal(got, 0);
    assert_code(os_read_at(in_dir(state, "none"), 0, piece, 4, &got, &err), ERR_NOT_FOUND, &err);
}
