/* program_posix.c - see program.h. */
#include "common/program.h"

void program_start(int *argc, char ***argv)
{
    (void)argc, (void)argv;
}

void program_end(void)
{
}
