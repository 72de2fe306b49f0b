/* campaign.c - see campaign.h.
 *
 * The file is lines of a word and its value:
 *   options --remedy     what a seed stands for; first of all, so that an empty file is none
 *   first 1              the first seed of all
 *   next 120001          the first seed that was not played yet
 *   histories 120000     and the other figures, summed
 *   seconds 812          spent
 *   failures 40          seeds that failed
 *   failed 4711 <text>   one line for each of them that was kept
 */
#include "tests/sim/campaign.h"

#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Between two writes of the file: what an interruption costs. */
#define BLOCK    2000 /* seeds */
#define BLOCK_MS 30000

struct reached {
    char options[400];
    uint64_t first, next, seconds, failures;
    struct play_figures sum;
    char *failed; /* lines */
};

static const char *const words[] = {"first", "next", "seconds", "failures", "histories",
                                    "runs",  "acts", "crashes", "events"};
#define WORDS (sizeof(words) / sizeof(words[0]))

/* Every value in the file, by its word. */
static uint64_t *value_of(struct reached *s, const char *word)
{
    uint64_t *const values[WORDS] = {&s->first,    &s->next,          &s->seconds,
                                     &s->failures, &s->sum.histories, &s->sum.runs,
                                     &s->sum.acts, &s->sum.crashes,   &s->sum.events};
    for (size_t i = 0; i < WORDS; i++)
        if (text_equal(words[i], word))
            return values[i];
    for (size_t i = 0; i < FAULT_BITS; i++)
        if (text_equal(fault_name(i), word))
            return &s->sum.strikes[i];
    for (size_t i = 0; i < DEED_COUNT; i++)
        if (text_equal(others_deed_names[i], word))
            return &s->sum.deeds[i];
    return NULL;
}

/* ---- the file ---- */

static void add_failed(struct reached *s, const char *line)
{
    size_t len = s->failed ? strlen(s->failed) : 0, more = strlen(line);
    s->failed = must_realloc(s->failed, len + more + 1, 1);
    memcpy(s->failed + len, line, more + 1);
}

static bool take_line(struct reached *s, const char *line, uint32_t *seen)
{
    char word[32];
    uint64_t number;
    if (sscanf(line, "%31s %" SCNu64, word, &number) != 2)
        return false;
    if (text_equal(word, "failed")) {
        add_failed(s, line);
        return true;
    }
    uint64_t *value = value_of(s, word);
    for (size_t i = 0; i < WORDS; i++)
        *seen |= text_equal(words[i], word) ? 1u << i : 0;
    if (value)
        *value = number;
    return value != NULL;
}

/* false: it is not whole. */
static bool load_from(FILE *f, struct reached *s)
{
    static const char head[] = "options";
    char line[900];
    uint32_t seen = 0;
    if (!fgets(line, sizeof(line), f) || strncmp(line, head, strlen(head)) != 0)
        return false;
    line[strcspn(line, "\n")] = '\0';
    const char *options = line + strlen(head);
    text_copy(s->options, sizeof(s->options), options + strspn(options, " "));
    while (fgets(line, sizeof(line), f))
        if (!take_line(s, line, &seen))
            return false;
    return seen == (1u << WORDS) - 1 && s->next >= s->first;
}

static bool refuse(const struct campaign *c, const char *why)
{
    fprintf(stderr, "sim: %s %s\n", c->path, why);
    return false;
}

/* The same campaign as the one that is asked for? */
static bool fits(const struct campaign *c, const struct reached *s)
{
    char why[1000];
    if (!text_equal(s->options, c->options)) {
        text_format(why, sizeof(why),
                    "is of a campaign with '%s', and this one is with '%s': give the same options, "
                    "or another file",
                    s->options, c->options);
        return refuse(c, why);
    }
    if (s->first != c->play.first) {
        text_format(why, sizeof(why),
                    "is of a campaign from seed %" PRIu64 " on, not from %" PRIu64
                    ": give the same --seeds (the last may grow), or another file",
                    s->first, c->play.first);
        return refuse(c, why);
    }
    return true;
}

static bool load(const struct campaign *c, struct reached *s)
{
    FILE *f = fopen(c->path, "r");
    if (!f && errno != ENOENT)
        return refuse(c, strerror(errno));
    if (!f) {
        s->first = s->next = c->play.first;
        text_copy(s->options, sizeof(s->options), c->options);
        return true;
    }
    bool whole = load_from(f, s);
    fclose(f);
    return whole ? fits(c, s)
                 : refuse(c, "is empty, or not the state of a campaign: remove it, or name another "
                             "file");
}

static bool save(const char *path, struct reached *s)
{
    char temporary[1024];
    text_format(temporary, sizeof(temporary), "%s.new", path);
    FILE *f = fopen(temporary, "w");
    if (!f)
        return false;
    fprintf(f, "options %s\n", s->options);
    for (size_t i = 0; i < WORDS; i++)
        fprintf(f, "%s %" PRIu64 "\n", words[i], *value_of(s, words[i]));
    for (size_t i = 0; i < FAULT_BITS; i++)
        fprintf(f, "%s %" PRIu64 "\n", fault_name(i), s->sum.strikes[i]);
    for (size_t i = 0; i < DEED_COUNT; i++)
        fprintf(f, "%s %" PRIu64 "\n", others_deed_names[i], s->sum.deeds[i]);
    fputs(s->failed ? s->failed : "", f);
    bool ok = fflush(f) == 0 && !ferror(f) && fsync(fileno(f)) == 0;
    ok = fclose(f) == 0 && ok;
    return ok && rename(temporary, path) == 0;
}

/* ---- playing ---- */

static void note_failures(struct reached *s, const struct play *p)
{
    char line[sizeof(p->failures[0].text) + 64];
    for (size_t i = 0; i < p->failure_count && i < PLAY_FAILURES_MAX; i++) {
        text_format(line, sizeof(line), "failed %" PRIu64 " %s\n", p->failures[i].number,
                    p->failures[i].text);
        for (char *end = strchr(line, '\n'); end && end[1]; end = strchr(end, '\n'))
            *end = ' ';
        add_failed(s, line);
        printf("seed %" PRIu64 ": %s\n", p->failures[i].number, p->failures[i].text);
    }
    if (p->failure_count > PLAY_FAILURES_MAX)
        printf("and %zu more of these %" PRIu64 " seeds\n", p->failure_count - PLAY_FAILURES_MAX,
               p->figures.histories);
    s->failures += p->failure_count;
}

static void tell(const struct reached *s)
{
    char strikes[300], deeds[300];
    uint64_t per_second = s->seconds ? s->sum.histories / s->seconds : 0;
    printf("%" PRIu64 " seeds, %" PRIu64 " failed: %" PRIu64 " runs, %" PRIu64 " acts, %" PRIu64
           " crashes, %" PRIu64 " events; faults: %s; others: %s; %" PRIu64 " s, %" PRIu64
           " seeds per second\n",
           s->sum.histories, s->failures, s->sum.runs, s->sum.acts, s->sum.crashes, s->sum.events,
           play_strikes(&s->sum, strikes, sizeof(strikes)),
           play_deeds(&s->sum, deeds, sizeof(deeds)), s->seconds, per_second);
    fflush(stdout);
}

static void play_block(const struct campaign *c, struct reached *s, uint64_t until_ms)
{
    struct play p = c->play;
    p.collect = true;
    p.until_ms = play_clock_ms() + BLOCK_MS;
    if (until_ms && until_ms < p.until_ms)
        p.until_ms = until_ms;
    p.first = s->next;
    p.last = c->play.last - s->next >= BLOCK ? s->next + BLOCK - 1 : c->play.last;
    play_all(&p);
    s->next = p.next;
    play_add(&s->sum, &p.figures);
    note_failures(s, &p);
}

int campaign_run(struct campaign *c)
{
    struct reached s = {0};
    uint64_t begun_ms = play_clock_ms();
    uint64_t until_ms = c->seconds ? begun_ms + 1000 * c->seconds : 0;
    int code = load(c, &s) ? 0 : 2;
    uint64_t before = s.seconds;
    if (code == 0 && s.next > c->play.last) {
        printf("all seeds up to %" PRIu64 " have been played\n", s.next - 1);
        tell(&s);
    }
    while (code == 0 && s.next <= c->play.last && (!until_ms || play_clock_ms() < until_ms)) {
        play_block(c, &s, until_ms);
        s.seconds = before + (play_clock_ms() - begun_ms + 500) / 1000;
        if (!save(c->path, &s)) {
            fprintf(stderr, "sim: cannot write %s: %s\n", c->path, strerror(errno));
            code = 2;
        }
        tell(&s);
    }
    free(s.failed);
    return code ? code : s.failures > 0;
}
