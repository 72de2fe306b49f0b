/* seeds.c - in place of driver.c with libFuzzer: FUZZ_SEEDS_TO=DIR fuzz_NAME writes the fuzzer's
 * own seeds there, a file each, and ends. libFuzzer knows nothing of them. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void write_seed(const char *dir, size_t n, const uint8_t *bytes, size_t size)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/seed-%03zu", dir, n);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *dir = getenv("FUZZ_SEEDS_TO");
    uint8_t *bytes;
    size_t size = 0, n = 0;
    (void)argc, (void)argv;
    if (!dir)
        return 0;
    for (; (bytes = fuzz_seed(n, &size)) != NULL; n++) {
        write_seed(dir, n, bytes, size);
        free(bytes);
    }
    exit(0);
}
