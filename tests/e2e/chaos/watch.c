/* watch.c - see watch.h. */
#include "tests/e2e/chaos/watch.h"

#include "tests/farm/farm/ask.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_MS 100

struct watch {
    const struct farm *farm;
    pthread_t thread;
    pthread_mutex_t lock; /* over all below */
    bool stop;
    FILE *diary;
    struct watch_seen seen;
    uint64_t both_since_ms; /* 0: not more than one */
};

void watch_note(struct watch *w, const char *fmt, ...)
{
    char now[TEXT_TIME_MAX];
    va_list args;
    pthread_mutex_lock(&w->lock);
    fprintf(w->diary, "%s ", text_format_time(now, clock_wall_ms()));
    va_start(args, fmt);
    vfprintf(w->diary, fmt, args);
    va_end(args);
    fputc('\n', w->diary);
    fflush(w->diary);
    pthread_mutex_unlock(&w->lock);
}

struct sample {
    const struct farm *farm;
    unsigned drained, down;
};

static void look_line(void *arg, const char *backend, const char *server, const char *status,
                      const char *sessions)
{
    struct sample *s = arg;
    unsigned index;
    (void)backend;
    (void)sessions;
    if (farm_server_find(s->farm, server, &index, NULL) != ERR_NONE)
        return;
    if (text_starts(status, "DRAIN") || text_starts(status, "MAINT"))
        s->drained |= 1u << index;
    if (strcmp(status, "UP") != 0)
        s->down |= 1u << index;
}

/* What is new is told with the lock held. */
static bool remember(struct watch *w, const struct sample *s, uint64_t now_ms)
{
    struct watch_seen *seen = &w->seen;
    bool changed = seen->now != s->drained;
    bool both = (s->drained & (s->drained - 1)) != 0;
    seen->samples++;
    seen->both += both;
    seen->now = s->drained;
    seen->down = s->down;
    if (!both)
        w->both_since_ms = 0;
    else if (w->both_since_ms == 0)
        w->both_since_ms = now_ms;
    if (both && now_ms - w->both_since_ms + EVERY_MS > seen->both_ms)
        seen->both_ms = (unsigned)(now_ms - w->both_since_ms + EVERY_MS);
    return changed;
}

static void *work(void *arg)
{
    struct watch *w = arg;
    for (bool stop = false; !stop;) {
        struct sample s = {.farm = w->farm};
        bool answered = ask_balancer(w->farm, look_line, &s, NULL) == ERR_NONE;
        pthread_mutex_lock(&w->lock);
        bool changed = answered && remember(w, &s, clock_boot_ms());
        w->seen.answered = answered;
        stop = w->stop;
        pthread_mutex_unlock(&w->lock);
        if (changed)
            watch_note(w, "drained: %s%s%s%s%s", s.drained & 1 ? "web01 " : "",
                       s.drained & 2 ? "web02 " : "", s.drained & 4 ? "web03 " : "",
                       s.drained & 8 ? "web04 " : "", s.drained ? "" : "nobody");
        poll(NULL, 0, EVERY_MS);
    }
    return NULL;
}

struct watch *watch_open(const struct farm *f)
{
    char path[PATH_MAX];
    struct watch *w = must_alloc(1, sizeof(*w));
    w->farm = f;
    pthread_mutex_init(&w->lock, NULL);
    farm_path(path, f, "logs/chaos.log");
    w->diary = fopen(path, "ae");
    must(w->diary != NULL);
    must(pthread_create(&w->thread, NULL, work, w) == 0);
    return w;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    fclose(w->diary);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

struct watch_seen watch_look(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    struct watch_seen seen = w->seen;
    pthread_mutex_unlock(&w->lock);
    return seen;
}
