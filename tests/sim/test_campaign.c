/* A campaign whose histories are invented: what it counts, keeps, and refuses. */
#include "tests/unit/common/testing.h"

#include "common/text.h"
#include "tests/sim/campaign.h"

#include <time.h>
#include <unistd.h>

const char *const others_deed_names[DEED_COUNT] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

static char path[64];
static uint64_t every;   /* so many-th seed fails; 0: none does */
static unsigned play_ms; /* takes so long */

void world_play(const struct world_options *options, struct world_result *out)
{
    *out = (struct world_result){.ok = !every || options->seed % every != 0, .runs = 1};
    text_copy(out->violation, sizeof(out->violation), out->ok ? "" : "invented:\nin two lines");
    nanosleep(&(struct timespec){.tv_nsec = 1000000L * play_ms}, NULL);
}

static void options_of(const void *arg, uint64_t number, struct world_options *out)
{
    (void)arg;
    *out = (struct world_options){.seed = number};
}

static int campaign(uint64_t first, uint64_t last, const char *options, uint64_t seconds)
{
    struct campaign c = {.path = path,
                         .options = options,
                         .seconds = seconds,
                         .play = {.options = options_of, .first = first, .last = last, .jobs = 2}};
    return campaign_run(&c);
}

/* The value in the file. */
static uint64_t reached(const char *word)
{
    char line[900], is[32];
    unsigned long long value = UINT64_MAX, found = UINT64_MAX;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "%31s %llu", is, &value) == 2 && strcmp(is, word) == 0)
            found = value;
    fclose(f);
    return found;
}

static void every_failure_counts_over_restarts(void **state)
{
    (void)state;
    every = 2;
    assert_int_equal(campaign(1, 500, "", 0), 1);
    assert_int_equal(reached("failures"), 250);
    assert_int_equal(campaign(1, 3000, "", 0), 1);
    assert_int_equal(reached("failures"), 1500);
    assert_int_equal(reached("histories"), 3000);
    assert_int_equal(reached("next"), 3001);
}

static void what_was_played_is_not_played_again(void **state)
{
    (void)state;
    assert_int_equal(campaign(1, 500, "", 0), 0);
    assert_int_equal(campaign(1, 500, "", 0), 0);
    assert_int_equal(campaign(1, 100, "", 0), 0);
    assert_int_equal(reached("histories"), 500);
}

static void other_options_are_refused(void **state)
{
    (void)state;
    assert_int_equal(campaign(1, 100, "--remedy", 0), 0);
    assert_int_equal(campaign(1, 200, "", 0), 2);
    assert_int_equal(campaign(1, 200, "--remedy --servers 3", 0), 2);
    assert_int_equal(campaign(2, 200, "--remedy", 0), 2);
    assert_int_equal(reached("histories"), 100);
    assert_int_equal(campaign(1, 200, "--remedy", 0), 0);
    assert_int_equal(reached("histories"), 200);
}

static void put(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void file_that_is_not_whole_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "next 7\n", "options \nfirst 1\nnext 7\n",
                                        "something else\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(texts[i]);
        assert_int_equal(campaign(1, 100, "", 0), 2);
    }
}

static void time_ends_a_block_and_no_seed_is_lost(void **state)
{
    (void)state;
    play_ms = 2;
    uint64_t begun_ms = play_clock_ms();
    assert_int_equal(campaign(1, 100000, "", 1), 0);
    assert_true(play_clock_ms() - begun_ms >= 1000);
    assert_true(reached("next") <= 2000); /* in the middle of the first block */
    assert_int_equal(reached("histories"), reached("next") - 1);
}

static void the_last_seeds_of_all_come_to_an_end(void **state)
{
    (void)state;
    assert_int_equal(campaign(PLAY_NUMBER_MAX - 9, PLAY_NUMBER_MAX, "", 0), 0);
    assert_int_equal(reached("histories"), 10);
}

static int begin(void **state)
{
    (void)state;
    text_format(path, sizeof(path), "campaign.%ld", (long)getpid());
    unlink(path);
    every = play_ms = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_failure_counts_over_restarts),
        TEST(what_was_played_is_not_played_again),
        TEST(other_options_are_refused),
        TEST(file_that_is_not_whole_is_refused),
        TEST(time_ends_a_block_and_no_seed_is_lost),
        TEST(the_last_seeds_of_all_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
