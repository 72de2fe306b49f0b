/* test_error.c - errors carry a code and words, and a broken promise ends the program. */
#include "tests/unit/common/testing.h"

#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <sys/wait.h>

static void set_fills_code_and_text(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, ERR_INVALID, "port %d is %s", 7, "odd"), ERR_INVALID);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, "port 7 is odd");
}

static void arguments_may_point_into_the_text(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERR_IO, "disk");
    error_set(&err, ERR_FULL, "the %s of the %s", err.text, err.text);
    assert_string_equal(err.text, "the disk of the disk");
}

static void wrap_puts_where_before(void **state)
{
    (void)state;
    struct error err = {0};
    error_set(&err, ERR_BUSY, "locked");
    assert_int_equal(error_wrap(&err, "server %s", "web03"), ERR_BUSY);
    assert_string_equal(err.text, "server web03: locked");
    assert_int_equal(error_wrap(&err, "%s", err.text), ERR_BUSY);
    assert_string_equal(err.text, "server web03: locked: server web03: locked");
}

static void errno_becomes_a_code_and_words(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        enum error_code code;
    } cases[] = {
        {ENOENT, ERR_NOT_FOUND},   {EEXIST, ERR_EXISTS},     {EACCES, ERR_DENIED},
        {EAGAIN, ERR_BUSY},        {ETIMEDOUT, ERR_TIMEOUT}, {ECONNREFUSED, ERR_UNREACHABLE},
        {ENOSYS, ERR_UNAVAILABLE}, {ENOSPC, ERR_FULL},       {ENOMEM, ERR_NOMEM},
        {EINVAL, ERR_INVALID},     {EISDIR, ERR_STATE},      {EIO, ERR_IO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        assert_int_equal(error_errno(&err, cases[i].errnum, "x"), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
    }
    struct error err = {0};
    error_errno(&err, ENOENT, "cannot open %s", "/a");
    assert_string_equal(err.text, "cannot open /a: No such file or directory (errno 2)");
}

static void no_error_struct_is_fine(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, ERR_FULL, "x"), ERR_FULL);
    assert_int_equal(error_errno(NULL, ENOSPC, "x"), ERR_FULL);
    assert_int_equal(error_wrap(NULL, "x"), ERR_IO);
}

static void a_long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    char many[ERROR_TEXT_MAX + 64];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(many, 'a', shift);
        for (size_t at = shift; at + 4 < sizeof(many); at += 3)
            memcpy(many + at, "\xE2\x82\xAC", 4); /* the euro sign */
        struct error err = {0};
        error_set(&err, ERR_IO, "%s", many);
        assert_true(strlen(err.text) > ERROR_TEXT_MAX - 5);
        assert_true(text_is_utf8(err.text, strlen(err.text)));
        error_wrap(&err, "%s", many);
        assert_true(text_is_utf8(err.text, strlen(err.text)));
    }
}

static void every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = ERR_NONE; a <= ERR_IO; a++) {
        assert_string_not_equal(error_code_name((enum error_code)a), "unknown");
        for (int b = ERR_NONE; b < a; b++)
            assert_string_not_equal(error_code_name((enum error_code)a),
                                    error_code_name((enum error_code)b));
    }
    assert_string_equal(error_code_name((enum error_code)999), "unknown");
}

/* Runs `act` in a child; what it wrote on stderr goes to out. Returns the wait status. */
static int run_in_child(void (*act)(void), char *out, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], 2);
        act();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (len < size - 1 && (got = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void break_a_promise(void)
{
    must(1 + 1 == 3);
}

static void ask_for_too_much(void)
{
    must_realloc(NULL, SIZE_MAX / 2, 16);
}

static void a_broken_promise_aborts_and_says_where(void **state)
{
    (void)state;
    char said[512];
    int status = run_in_child(break_a_promise, said, sizeof(said));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_contains(said, "test_error.c:");
    assert_contains(said, "1 + 1 == 3");
    status = run_in_child(ask_for_too_much, said, sizeof(said));
    assert_true(WIFSIGNALED(status));
}

static void allocation_is_zeroed_and_copies_are_equal(void **state)
{
    (void)state;
    unsigned char *memory = must_alloc(3, 5);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(memory[i], 0);
    free(memory);
    free(must_alloc(0, 0));
    char *copy = must_copy("web03");
    assert_string_equal(copy, "web03");
    free(copy);
    assert_null(must_copy(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_and_text),
        cmocka_unit_test(arguments_may_point_into_the_text),
        cmocka_unit_test(wrap_puts_where_before),
        cmocka_unit_test(errno_becomes_a_code_and_words),
        cmocka_unit_test(no_error_struct_is_fine),
        cmocka_unit_test(a_long_text_is_cut_at_a_character),
        cmocka_unit_test(every_code_has_a_name_of_its_own),
        cmocka_unit_test(a_broken_promise_aborts_and_says_where),
        cmocka_unit_test(allocation_is_zeroed_and_copies_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
