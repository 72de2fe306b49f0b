/* campaign.c - see campaign.h.
 *
 * The file is lines of a word and its value:
 *   next 120001          the first seed that was not played yet
 *   histories 120000     and the other figures, summed
 *   seconds 812          spent
 *   failed 4711 <text>   one line for each
 */
#include "tests/sim/campaign.h"

#include "common/must.h"
#include "common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK 2000 /* seeds */

struct reached {
    uint64_t next, seconds, failed;
    struct play_figures sum;
};

/* Every value in the file, by its word. */
static uint64_t *value_of(struct reached *s, const char *word)
{
    const struct {
        const char *word;
        uint64_t *value;
    } values[] = {
        {"next", &s->next},        {"seconds", &s->seconds}, {"histories", &s->sum.histories},
        {"runs", &s->sum.runs},    {"acts", &s->sum.acts},   {"crashes", &s->sum.crashes},
        {"events", &s->sum.events}};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (text_equal(values[i].word, word))
            return values[i].value;
    for (size_t i = 0; i < FAULT_BITS; i++)
        if (text_equal(fault_name(i), word))
            return &s->sum.strikes[i];
    return NULL;
}

static const char *const words[] = {"next", "seconds", "histories", "runs",
                                    "acts", "crashes", "events"};

/* false: not such a file. */
static bool load(const char *path, struct reached *s, char **failures)
{
    char line[900], word[32];
    uint64_t number;
    size_t len = 0;
    FILE *f = fopen(path, "r");
    bool ok = f || errno == ENOENT;
    while (f && ok && fgets(line, sizeof(line), f)) {
        ok = sscanf(line, "%31s %" SCNu64, word, &number) == 2;
        if (ok && text_equal(word, "failed")) {
            size_t more = strlen(line);
            *failures = must_realloc(*failures, len + more + 1, 1);
            memcpy(*failures + len, line, more + 1);
            len += more;
            s->failed++;
        } else if (ok) {
            uint64_t *value = value_of(s, word);
            ok = value != NULL;
            if (ok)
                *value = number;
        }
    }
    if (f)
        fclose(f);
    return ok;
}

static bool save(const char *path, struct reached *s, const char *failures)
{
    char temporary[1024];
    text_format(temporary, sizeof(temporary), "%s.new", path);
    FILE *f = fopen(temporary, "w");
    if (!f)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        fprintf(f, "%s %" PRIu64 "\n", words[i], *value_of(s, words[i]));
    for (size_t i = 0; i < FAULT_BITS; i++)
        fprintf(f, "%s %" PRIu64 "\n", fault_name(i), s->sum.strikes[i]);
    fputs(failures ? failures : "", f);
    bool ok = fflush(f) == 0 && !ferror(f);
    ok = fclose(f) == 0 && ok;
    return ok && rename(temporary, path) == 0;
}

static char *with_failures(char *failures, const struct play *p)
{
    for (size_t i = 0; i < p->failure_count && i < PLAY_FAILURES_MAX; i++) {
        size_t len = failures ? strlen(failures) : 0;
        size_t room = sizeof(p->failures[i].text) + 64;
        failures = must_realloc(failures, len + room, 1);
        snprintf(failures + len, room, "failed %" PRIu64 " %s\n", p->failures[i].number,
                 p->failures[i].text);
        printf("seed %" PRIu64 ": %s\n", p->failures[i].number, p->failures[i].text);
    }
    return failures;
}

static void tell(const struct reached *s)
{
    char strikes[300];
    uint64_t per_second = s->seconds ? s->sum.histories / s->seconds : 0;
    printf("%" PRIu64 " seeds, %" PRIu64 " failed: %" PRIu64 " runs, %" PRIu64 " acts, %" PRIu64
           " crashes, %" PRIu64 " events; faults: %s; %" PRIu64 " s, %" PRIu64
           " seeds per second\n",
           s->sum.histories, s->failed, s->sum.runs, s->sum.acts, s->sum.crashes, s->sum.events,
           play_strikes(&s->sum, strikes, sizeof(strikes)), s->seconds, per_second);
    fflush(stdout);
}

int campaign_run(struct campaign *c)
{
    struct reached s = {.next = c->play.first};
    char *failures = NULL;
    if (!load(c->path, &s, &failures)) {
        fprintf(stderr, "sim: %s is not the state of a campaign\n", c->path);
        free(failures);
        return 2;
    }
    time_t begun = time(NULL);
    uint64_t before = s.seconds, last = c->play.last;
    int code = 0;
    while (s.next <= last && (!c->seconds || s.seconds - before < c->seconds) && code != 2) {
        struct play p = c->play;
        p.collect = true;
        p.first = s.next;
        p.last = last - s.next >= BLOCK ? s.next + BLOCK - 1 : last;
        play_all(&p);
        s.next = p.last + 1;
        s.failed += p.failure_count;
        s.seconds = before + (uint64_t)(time(NULL) - begun);
        play_add(&s.sum, &p.figures);
        failures = with_failures(failures, &p);
        if (!save(c->path, &s, failures)) {
            fprintf(stderr, "sim: cannot write %s: %s\n", c->path, strerror(errno));
            code = 2;
        }
        tell(&s);
    }
    free(failures);
    return code ? code : s.failed > 0;
}
