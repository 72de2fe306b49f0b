/* terminal_win32.c - see terminal.h. Consoles of Windows 10 and Server 2016 up understand the
 * escape sequences of terminals once they are told to. */
#include "coordinator/cli/terminal.h"

#include "common/sys_win32.h"
#include "common/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool g_interrupted;

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && value[0];
}

static bool is_console(DWORD which)
{
    DWORD mode;
    return GetConsoleMode(GetStdHandle(which), &mode) != 0;
}

static bool can_redraw(DWORD which)
{
    DWORD mode;
    HANDLE console = GetStdHandle(which);
    return GetConsoleMode(console, &mode) &&
           SetConsoleMode(console,
                          mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

void terminal_look(struct terminal *t)
{
    t->person = is_console(STD_INPUT_HANDLE) && is_console(STD_ERROR_HANDLE);
    t->output = is_console(STD_OUTPUT_HANDLE);
    t->redraw = can_redraw(STD_OUTPUT_HANDLE);
    can_redraw(STD_ERROR_HANDLE);
    t->colour = t->redraw && !is_set("NO_COLOR"); /* no-color.org: set and not empty */
    t->unicode = true;                            /* program_start has said so to the console */
}

void terminal_size(const struct terminal *t, size_t *columns, size_t *rows)
{
    uint64_t given = 0;
    CONSOLE_SCREEN_BUFFER_INFO info;
    *columns = t->output ? 80 : TERMINAL_UNLIMITED;
    *rows = 24;
    if (t->output && GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info)) {
        *columns = (size_t)(info.srWindow.Right - info.srWindow.Left + 1);
        *rows = (size_t)(info.srWindow.Bottom - info.srWindow.Top + 1);
    }
    if (is_set("COLUMNS") && text_parse_u64(getenv("COLUMNS"), 20, TERMINAL_UNLIMITED, &given))
        *columns = (size_t)given;
}

/* A console gives UTF-16; anything else bytes. false: the end, or Ctrl-C. */
static bool read_unit(HANDLE in, bool console, wchar_t *unit)
{
    DWORD got = 0;
    unsigned char byte = 0;
    if (console)
        return ReadConsoleW(in, unit, 1, &got, NULL) && got == 1;
    if (!ReadFile(in, &byte, 1, &got, NULL) || got != 1)
        return false;
    *unit = byte;
    return true;
}

bool terminal_ask(const char *question, char *out, size_t size_bytes)
{
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE);
    bool console = is_console(STD_INPUT_HANDLE), complete = false;
    wchar_t line[512], unit;
    size_t used = 0;
    fflush(stdout);
    fputs(question, stderr);
    fflush(stderr);
    while (!complete && read_unit(in, console, &unit)) {
        complete = unit == L'\n';
        if (unit != L'\r' && !complete && used < sizeof(line) / sizeof(line[0]))
            line[used++] = unit;
    }
    char *utf8 = sys_utf8_len(line, used);
    text_copy(out, size_bytes, utf8 ? utf8 : "");
    free(utf8);
    if (!complete)
        fputc('\n', stderr);
    return complete;
}

static BOOL WINAPI on_console(DWORD event)
{
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        return FALSE;
    atomic_store(&g_interrupted, true);
    return TRUE;
}

void terminal_catch_interrupt(void)
{
    SetConsoleCtrlHandler(on_console, TRUE);
}

bool terminal_interrupted(void)
{
    return atomic_exchange(&g_interrupted, false);
}

void terminal_leave(void)
{
    SetConsoleCtrlHandler(on_console, FALSE);
}
