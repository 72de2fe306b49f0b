/* random.c - os_random() of the programs under simulation: from the seed. The linker puts it in the
 * place of the system's (--wrap).
 */
#include "tests/sim/random.h"

#include "tests/sim/rng.h"

static struct rng rng;

void random_begin(uint64_t seed)
{
    rng = rng_of(seed, 11);
}

enum error_code __wrap_os_random(void *out, size_t len, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)rng_next(&rng);
    return ERR_NONE;
}
