/* cli_bench.c - see cli_bench.h. */
#include "cli_bench.h"

#include "common/must.h"
#include "common/os.h"

#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 90000

int bench_set_up(void **state)
{
    struct bench *b = must_alloc(1, sizeof(*b));
    strcpy(b->dir, "/tmp/cli-XXXXXX");
    must(mkdtemp(b->dir) != NULL);
    text_format(b->socket, sizeof(b->socket), "%s/api", b->dir);
    *state = b;
    return 0;
}

int bench_tear_down(void **state)
{
    struct bench *b = *state;
    fake_api_close(b->api);
    text_reset(&b->out);
    text_reset(&b->err);
    rmdir(b->dir);
    free(b);
    return 0;
}

void serve(struct bench *b, const struct fake_route *routes, size_t route_count,
           const struct fake_script *scripts, size_t script_count)
{
    b->api = fake_api_open(b->socket, routes, route_count, scripts, script_count);
}

/* ---- running it ---- */

static void split_words(char *line, char **argv, size_t max)
{
    size_t count = 0;
    for (char *save = NULL, *w = strtok_r(line, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
        must(count + 1 < max);
        argv[count++] = w;
    }
    argv[count] = NULL;
}

/* line: words with '|' between. Does not return. */
static void become_farmhand(const struct bench *b, const char *line)
{
    char words[1024] = "farmhand|", *argv[40];
    must(text_copy(words + 9, sizeof(words) - 9, line));
    split_words(words, argv, COUNT(argv));
    setenv("FARMHAND_SOCKET", b->socket, 1);
    setenv("ASAN_OPTIONS", "exitcode=99", 1);
    execv(FARMHAND_PROGRAM, argv);
    _exit(127);
}

static bool take(int fd, struct text *to)
{
    char chunk[4096];
    ssize_t got = read(fd, chunk, sizeof(chunk));
    if (got > 0)
        text_add_bytes(to, chunk, (size_t)got);
    return got > 0;
}

static void read_both(struct bench *b, int out, int err)
{
    struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        must(poll(fds, 2, PATIENCE_MS) > 0);
        if (fds[0].revents && !take(out, &b->out))
            fds[0].fd = -1;
        if (fds[1].revents && !take(err, &b->err))
            fds[1].fd = -1;
    }
}

void run(struct bench *b, const char *line)
{
    int out[2], err[2], status;
    text_reset(&b->out);
    text_reset(&b->err);
    must(pipe(out) == 0 && pipe(err) == 0);
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        must(freopen("/dev/null", "r", stdin) != NULL);
        dup2(out[1], 1);
        dup2(err[1], 2);
        become_farmhand(b, line);
    }
    close(out[1]);
    close(err[1]);
    read_both(b, out[0], err[0]);
    close(out[0]);
    close(err[0]);
    must(waitpid(pid, &status, 0) == pid);
    b->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void run_at_terminal(struct bench *b, const char *line, const struct typed *typed, size_t count)
{
    int fd, status;
    struct winsize size = {.ws_col = 90, .ws_row = 30};
    text_reset(&b->out);
    text_reset(&b->err);
    pid_t pid = forkpty(&fd, NULL, NULL, &size);
    must(pid >= 0);
    if (pid == 0) {
        setenv("TERM", "xterm", 1);
        become_farmhand(b, line);
    }
    for (size_t i = 0, seen = 0; take(fd, &b->out);) {
        const char *found;
        while (i < count && (found = strstr(text_get(&b->out) + seen, typed[i].wait_for))) {
            seen = (size_t)(found - text_get(&b->out)) + strlen(typed[i].wait_for);
            must(write(fd, typed[i].keys, strlen(typed[i].keys)) > 0);
            i++;
        }
    }
    close(fd);
    must(waitpid(pid, &status, 0) == pid);
    b->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void assert_ended(const struct bench *b, int code)
{
    if (b->code != code)
        fail_msg("exit code %d, expected %d\nstdout:\n%s\nstderr:\n%s", b->code, code,
                 text_get(&b->out), text_get(&b->err));
}

void assert_has(const struct text *t, const char *words)
{
    if (!strstr(text_get(t), words))
        fail_msg("\"%s\" is missing in:\n%s", words, text_get(t));
}

void assert_lacks(const struct text *t, const char *words)
{
    if (strstr(text_get(t), words))
        fail_msg("\"%s\" should not be in:\n%s", words, text_get(t));
}

void assert_asked(struct bench *b, const char *words, bool there)
{
    char *asked = fake_api_asked(b->api);
    bool found = strstr(asked, words) != NULL;
    if (found != there) {
        fprintf(stderr, "asked:\n%s", asked);
        fail_msg("\"%s\" %s asked", words, there ? "was not" : "was");
    }
    free(asked);
}
