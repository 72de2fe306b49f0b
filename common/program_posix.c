/* program_posix.c - see program.h. */
#include "common/program.h"

#include <sys/prctl.h>

/* Not by a limit on core files, which a core_pattern that is a pipe does not ask for, and which
 * what we start would have too. This mark ends with exec. Source: prctl(2), core(5). */
void program_start(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    prctl(PR_SET_DUMPABLE, 0);
}

void program_end(void)
{
}
