/* terminal_posix.c - see terminal.h. */
#include "coordinator/cli/terminal.h"

#include "common/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The stop flag: the only thing a signal handler may touch. */
static volatile sig_atomic_t interrupted;

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && value[0];
}

/* UTF-8 unless the locale names another encoding. C and an empty environment name none: that is
 * a container or a cron job, in front of terminals that have been UTF-8 for decades. */
static bool wants_unicode(void)
{
    const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (!value || !value[0])
            continue;
        const char *encoding = strchr(value, '.');
        return !encoding || strcasestr(encoding, "utf") != NULL;
    }
    return true;
}

void terminal_look(struct terminal *t)
{
    const char *term = getenv("TERM");
    signal(SIGPIPE, SIG_DFL);
    bool dumb = !term || !term[0] || text_equal(term, "dumb");
    t->person = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    t->output = isatty(STDOUT_FILENO);
    t->redraw = t->output && !dumb;
    t->colour = t->redraw && !is_set("NO_COLOR"); /* no-color.org: set and not empty */
    t->unicode = wants_unicode() && !(t->output && dumb);
}

void terminal_size(const struct terminal *t, size_t *columns, size_t *rows)
{
    uint64_t given = 0;
    struct winsize size = {0};
    *columns = t->output ? 80 : TERMINAL_UNLIMITED;
    *rows = 24;
    if (t->output && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        if (size.ws_col > 0)
            *columns = size.ws_col;
        if (size.ws_row > 0)
            *rows = size.ws_row;
    }
    if (is_set("COLUMNS") && text_parse_u64(getenv("COLUMNS"), 20, TERMINAL_UNLIMITED, &given))
        *columns = (size_t)given;
}

bool terminal_ask(const char *question, char *out, size_t size_bytes)
{
    size_t used = 0;
    char byte = 0;
    fflush(stdout);
    fputs(question, stderr);
    fflush(stderr);
    for (;;) {
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got != 1 || byte == '\n')
            break;
        if (used + 1 < size_bytes)
            out[used++] = byte;
    }
    out[used] = '\0';
    if (byte != '\n')
        fputc('\n', stderr);
    return byte == '\n';
}

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

void terminal_catch_interrupt(void)
{
    /* Without SA_RESTART, so that Ctrl-C ends a question too. */
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool terminal_interrupted(void)
{
    bool was = interrupted != 0;
    interrupted = 0;
    return was;
}

void terminal_leave(void)
{
    signal(SIGINT, SIG_DFL);
}
