/* program_win32.c - see program.h. */
#include "common/program.h"

#include "common/command_line.h"
#include "common/sys_win32.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>

static UINT console_cp; /* of the console before us, which outlives us; 0: there is none */

void program_end(void)
{
    if (console_cp != 0)
        SetConsoleOutputCP(console_cp);
    console_cp = 0;
}

/* Where the line is not valid Unicode, what the C library made of it stays. */
static void read_arguments(int *argc, char ***argv)
{
    char *line = sys_utf8(GetCommandLineW());
    size_t count = 0;
    if (!line)
        return;
    *argv = command_line_split(line, &count);
    *argc = (int)count;
    free(line);
}

void program_start(int *argc, char ***argv)
{
    /* Nothing is to be loaded from the current directory, nor a dialog shown for a missing disk. */
    SetDllDirectoryW(L"");
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX);
    read_arguments(argc, argv);
    console_cp = GetConsoleOutputCP();
    if (console_cp != 0 && SetConsoleOutputCP(CP_UTF8))
        atexit(program_end);
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
}
