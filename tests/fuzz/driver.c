/* driver.c - runs a fuzzer without libFuzzer: valid inputs (its own seeds, and the files in
 * tests/fuzz/corpus/NAME), first as they are, then cut, flipped, spliced, repeated.
 *
 *   fuzz_NAME [SECONDS [SEED]]      5 seconds, a seed from the clock
 *   fuzz_NAME FILE...               these inputs once, to look at a finding again
 *
 * The same seed gives the same inputs. The input under way is written to ./fuzz-input-PID when the
 * program dies of it (SIGABRT, SIGSEGV, a sanitizer's report).
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SEEDS_MAX 1024
#define INPUT_MAX 65536

static uint8_t input[INPUT_MAX];
static size_t input_len;
static uint64_t random_state;

/* So that a sanitizer's report ends in keep_input, too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

static uint64_t next_random(void) /* xorshift64* */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717u;
}

static size_t below(size_t n)
{
    return n ? (size_t)(next_random() % n) : 0;
}

static void keep_input(int signal_number)
{
    char name[64];
    snprintf(name, sizeof(name), "fuzz-input-%d", (int)getpid());
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0 && write(fd, input, input_len) == (ssize_t)input_len)
        dprintf(2, "input kept in %s\n", name);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void mutate_bytes(void)
{
    size_t at = below(input_len);
    switch (below(4)) {
    case 0:
        input[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        input[at] = (uint8_t)next_random();
        break;
    case 2:
        input[at] = "\x00\x01\x7f\x80\xff"[below(5)];
        break;
    case 3:
        input[at] = (uint8_t)(input[at] + (below(2) ? 1 : -1));
        break;
    }
}

/* Takes a run of the input, or of another seed, and puts it somewhere. */
static void splice_run(const uint8_t *from, size_t from_len)
{
    size_t len = 1 + below(from_len < 64 ? from_len : 64);
    size_t start = below(from_len - len + 1), at = below(input_len + 1);
    uint8_t run[64];
    if (len > from_len || input_len + len > INPUT_MAX)
        return;
    memcpy(run, from + start, len);
    memmove(input + at + len, input + at, input_len - at);
    memcpy(input + at, run, len);
    input_len += len;
}

static void cut(void)
{
    size_t at = below(input_len), len = 1 + below(input_len - at);
    memmove(input + at, input + at + len, input_len - at - len);
    input_len -= len;
}

static void mutate(uint8_t *const *seeds, const size_t *sizes, size_t count)
{
    size_t other = below(count);
    for (size_t steps = 1 + below(6); steps > 0 && input_len > 0; steps--) {
        switch (below(6)) {
        case 0:
            cut();
            break;
        case 1:
            splice_run(input, input_len);
            break;
        case 2:
            splice_run(seeds[other], sizes[other]);
            break;
        default:
            mutate_bytes();
        }
    }
}

static void run_input(void)
{
    uint8_t *copy = malloc(input_len ? input_len : 1); /* exact: reads past it are seen */
    memcpy(copy, input, input_len);
    LLVMFuzzerTestOneInput(copy, input_len);
    free(copy);
}

static int run_file(const char *name)
{
    FILE *f = fopen(name, "rb");
    if (!f)
        return perror(name), 1;
    input_len = fread(input, 1, sizeof(input), f);
    fclose(f);
    run_input();
    return 0;
}

/* A file as a seed; its bytes past INPUT_MAX are left out. */
static uint8_t *read_seed(const char *dir, const char *name, size_t *size)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(INPUT_MAX);
    if (!f || !bytes) {
        perror(path);
        exit(1);
    }
    *size = fread(bytes, 1, INPUT_MAX, f);
    fclose(f);
    return bytes;
}

static int no_dots(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In the order of their names, so that the same number gives the same inputs. */
static size_t read_corpus(uint8_t **seeds, size_t *sizes, size_t count)
{
    struct dirent **names;
    int found = scandir(FUZZ_CORPUS, &names, no_dots, alphasort);
    for (int i = 0; i < found; i++) {
        if (count < SEEDS_MAX) {
            seeds[count] = read_seed(FUZZ_CORPUS, names[i]->d_name, &sizes[count]);
            count++;
        }
        free(names[i]);
    }
    if (found >= 0)
        free(names);
    return count;
}

static void campaign(double seconds)
{
    static uint8_t *seeds[SEEDS_MAX];
    static size_t sizes[SEEDS_MAX];
    size_t count = 0;
    uint64_t runs = 0;
    while (count < SEEDS_MAX && (seeds[count] = fuzz_seed(count, &sizes[count])))
        count++;
    count = read_corpus(seeds, sizes, count);
    clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
    for (; runs < count || runs % 16 != 0 || clock() < end; runs++) {
        size_t seed = runs < count ? (size_t)runs : below(count); /* each as it is, at first */
        input_len = sizes[seed] < INPUT_MAX ? sizes[seed] : INPUT_MAX;
        memcpy(input, seeds[seed], input_len);
        if (runs >= count)
            mutate(seeds, sizes, count);
        run_input();
    }
    printf("%llu inputs from %zu seeds\n", (unsigned long long)runs, count);
    for (size_t i = 0; i < count; i++)
        free(seeds[i]);
}

int main(int argc, char **argv)
{
    signal(SIGABRT, keep_input);
    signal(SIGSEGV, keep_input);
    if (argc > 1 && access(argv[1], R_OK) == 0) {
        int bad = 0;
        for (int i = 1; i < argc; i++)
            bad |= run_file(argv[i]);
        return bad;
    }
    random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    random_state += random_state == 0;
    printf("seed %llu\n", (unsigned long long)random_state);
    fflush(stdout);
    campaign(argc > 1 ? strtod(argv[1], NULL) : 5);
    return 0;
}
