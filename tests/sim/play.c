/* play.c - see play.h. */
#include "tests/sim/play.h"

#include "common/must.h"
#include "common/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct seat { /* of one process */
    pid_t pid;
    uint64_t at;
    struct play_figures figures;
};

struct shared {
    _Atomic uint64_t next;
    _Atomic uint64_t limit; /* numbers from here on are not played any more */
    _Atomic size_t failure_count;
    struct play_failure failures[PLAY_FAILURES_MAX];
    struct seat seats[PLAY_JOBS_MAX];
    struct world_result result;
};

/* ---- figures ---- */

static const char *const names[FAULT_BITS] = {"net",    "crash", "disk",    "iis",     "balancer",
                                              "people", "sleep", "restore", "journal", "twins"};

const char *fault_name(size_t bit)
{
    return names[bit];
}

void play_add(struct play_figures *sum, const struct play_figures *more)
{
    sum->histories += more->histories;
    sum->runs += more->runs;
    sum->acts += more->acts;
    sum->crashes += more->crashes;
    sum->events += more->events;
    for (size_t i = 0; i < FAULT_BITS; i++)
        sum->strikes[i] += more->strikes[i];
    for (size_t i = 0; i < DEED_COUNT; i++)
        sum->deeds[i] += more->deeds[i];
}

static struct play_figures figures_of(const struct world_result *r)
{
    struct play_figures f = {.histories = 1,
                             .runs = r->runs,
                             .acts = r->acts,
                             .crashes = r->crashes,
                             .events = r->events};
    memcpy(f.strikes, r->strikes, sizeof(f.strikes));
    memcpy(f.deeds, r->deeds, sizeof(f.deeds));
    return f;
}

static const char *tell_counts(const char *const *words, const uint64_t *counts, size_t count,
                               char *out, size_t size)
{
    size_t len = 0;
    text_copy(out, size, "none");
    for (size_t i = 0; i < count; i++) {
        if (counts[i] == 0)
            continue;
        text_format(out + len, size - len, "%s%s %" PRIu64, len ? ", " : "", words[i], counts[i]);
        len = strlen(out);
    }
    return out;
}

const char *play_strikes(const struct play_figures *figures, char *out, size_t size)
{
    return tell_counts(names, figures->strikes, FAULT_BITS, out, size);
}

const char *play_deeds(const struct play_figures *figures, char *out, size_t size)
{
    return tell_counts(others_deed_names, figures->deeds, DEED_COUNT, out, size);
}

/* ---- failures ---- */

static void lower(_Atomic uint64_t *limit, uint64_t to)
{
    uint64_t was = atomic_load(limit);
    while (to < was && !atomic_compare_exchange_weak(limit, &was, to))
        ;
}

static void note_failure(const struct play *p, struct shared *s, uint64_t number, const char *text)
{
    size_t at = atomic_fetch_add(&s->failure_count, 1);
    if (!p->collect)
        lower(&s->limit, number);
    if (at >= PLAY_FAILURES_MAX)
        return;
    s->failures[at].number = number;
    text_copy(s->failures[at].text, sizeof(s->failures[at].text), text);
}

static int by_number(const void *a, const void *b)
{
    const struct play_failure *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* ---- processes ---- */

uint64_t play_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void work(const struct play *p, struct shared *s, struct seat *seat)
{
    while (!p->until_ms || play_clock_ms() < p->until_ms) {
        uint64_t number = atomic_fetch_add(&s->next, 1);
        if (number > p->last || number >= atomic_load(&s->limit))
            return;
        struct world_options o;
        struct world_result r;
        seat->at = number;
        p->options(p->arg, number, &o);
        world_play(&o, &r);
        const struct play_figures f = figures_of(&r);
        play_add(&seat->figures, &f);
        if (p->first == p->last)
            s->result = r;
        if (!r.ok)
            note_failure(p, s, number, r.violation);
    }
}

static void sit_down(const struct play *p, struct shared *s, struct seat *seat)
{
    pid_t pid = fork(); /* the seat is shared: the child must not write its 0 there */
    must(pid >= 0);
    if (pid > 0) {
        seat->pid = pid;
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(p, s, seat);
    _exit(0);
}

static struct seat *seat_of(struct shared *s, const struct play *p, pid_t pid)
{
    for (unsigned i = 0; i < p->jobs; i++)
        if (s->seats[i].pid == pid)
            return &s->seats[i];
    return NULL;
}

static void work_apart(const struct play *p, struct shared *s)
{
    unsigned working = 0;
    int status;
    for (; working < p->jobs; working++)
        sit_down(p, s, &s->seats[working]);
    while (working > 0) {
        pid_t pid = waitpid(-1, &status, 0);
        must(pid > 0);
        struct seat *seat = seat_of(s, p, pid);
        must(seat);
        working--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        char text[100];
        text_format(text, sizeof(text), "the simulator itself died: %s %d",
                    WIFSIGNALED(status) ? "signal" : "exit code",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        note_failure(p, s, seat->at, text);
        sit_down(p, s, seat);
        working++;
    }
}

static void gather(struct play *p, const struct shared *s)
{
    size_t count = s->failure_count;
    size_t kept = count < PLAY_FAILURES_MAX ? count : PLAY_FAILURES_MAX;
    memcpy(p->failures, s->failures, kept * sizeof(p->failures[0]));
    qsort(p->failures, kept, sizeof(p->failures[0]), by_number);
    p->failure_count = count;
    p->next = s->next <= p->last ? s->next : p->last + 1;
    p->result = s->result;
    p->figures = (struct play_figures){0};
    for (unsigned i = 0; i < p->jobs; i++)
        play_add(&p->figures, &s->seats[i].figures);
}

void play_all(struct play *p)
{
    must(p->jobs >= 1 && p->jobs <= PLAY_JOBS_MAX && p->last <= PLAY_NUMBER_MAX);
    struct shared *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(s != MAP_FAILED);
    s->next = p->first;
    s->limit = UINT64_MAX;
    if (p->jobs == 1 && !p->apart)
        work(p, s, &s->seats[0]);
    else
        work_apart(p, s);
    gather(p, s);
    munmap(s, sizeof(*s));
}
