/* os_cases.h - what os.h promises on every system; POSIX's and Windows' own tests play them. */
#ifndef FARMHAND_TESTS_UNIT_COMMON_OS_CASES_H
#define FARMHAND_TESTS_UNIT_COMMON_OS_CASES_H

void the_boot_id_stays_and_random_bytes_do_not(void **state);
void a_changed_file_has_another_identity(void **state);
void a_piece_is_read_from_any_place(void **state);

#endif
