/* nng_reset_win32.c - see nng_reset.h: nothing can be put in between here. */
#include "common/nng_reset.h"

void nng_reset_is_no_end(void)
{
}
