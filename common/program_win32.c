/* program_win32.c - see program.h. */
#include "common/program.h"

#include "common/command_line.h"
#include "common/sys_win32.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>

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
    SetConsoleOutputCP(CP_UTF8);
    _setmode(_fileno(stdout), _O_BINARY);
    _setmode(_fileno(stderr), _O_BINARY);
}
