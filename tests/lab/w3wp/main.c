/* main.c - lab-w3wp: w3wp.exe -ap NAME, started by lab-was, which hands it the channel and the
 * server's power. Ends when WAS says stop, when its channel breaks (unless it
 * hangs), and when the power goes. */
#include "tests/lab/w3wp/w3wp.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANNEL, POWER };

static bool while_fault(struct w3wp *w)
{
    return fault_on(w->settings, "worker-hangs", w->pool);
}

void w3wp_hang(struct w3wp *w, bool (*still)(struct w3wp *w))
{
    while (still(w))
        lab_os_sleep_ms(TICK_MS);
}

static void crash(void *arg)
{
    (void)arg;
    _exit(255);
}

static void linger_over(void *arg)
{
    (void)arg;
    _exit(0);
}

/* Told to stop and nothing inside: the end, unless a fault holds it. */
static void end_if_idle(struct w3wp *w)
{
    uint64_t seconds = 0;
    if (!w->stopping || w->inside || w->lingering)
        return;
    if (!fault_number(w->settings, "worker-ignores-stop", w->pool, 0, &seconds))
        _exit(0);
    w->lingering = true;
    w->linger_timer = (struct loop_timer){.fire = linger_over};
    if (seconds)
        loop_arm(w->loop, &w->linger_timer, clock_boot_ms() + seconds * 1000);
}

void w3wp_answered(struct w3wp *w)
{
    w->inside--;
    end_if_idle(w);
}

/* Faults that need no request: looked at a few times a second, also when switched on later. */
static void tick(void *arg)
{
    struct w3wp *w = arg;
    uint64_t value = 0;
    w3wp_hang(w, while_fault);
    if (child_wanted(w))
        child_keep(w);
    else
        faults_use(w->settings, w->pool);
    if (w->ready && !w->stopping && !w->crash_timer.place &&
        fault_number(w->settings, "worker-crashes", w->pool, 200, &value))
        loop_arm(w->loop, &w->crash_timer, clock_boot_ms() + value);
    if (w->lingering && !fault_on(w->settings, "worker-ignores-stop", w->pool))
        _exit(0);
    loop_arm(w->loop, &w->tick_timer, clock_boot_ms() + TICK_MS);
}

static void be_ready(void *arg)
{
    struct w3wp *w = arg;
    w->ready = true;
    frame_send(&w->was, FRAME_READY, 0, 0, NULL, 0);
    tick(w);
}

static void told(struct w3wp *w, const struct frame *f, const char *payload)
{
    switch (f->type) {
    case FRAME_REQUEST:
        w3wp_answer(w, f->id, payload, f->len);
        break;
    case FRAME_STOP:
        w->stopping = true;
        loop_disarm(w->loop, &w->crash_timer);
        end_if_idle(w);
        break;
    case FRAME_PING:
        frame_send(&w->was, FRAME_PONG, f->id, 0, NULL, 0);
        break;
    case FRAME_ORPHAN:
        w->orphaned = true;
        break;
    }
}

static void on_data(struct stream *s)
{
    struct w3wp *w = s->owner;
    struct frame f;
    const char *payload;
    w3wp_hang(w, while_fault);
    while (frame_next(s, &f, &payload)) {
        told(w, &f, payload);
        frame_done(s, &f);
    }
}

/* WAS is gone. A worker that is deaf to its stop outlives it, as the real one does. */
static void on_end(struct stream *s)
{
    struct w3wp *w = s->owner;
    w3wp_hang(w, while_fault);
    if (!w->orphaned && !w->lingering)
        _exit(0);
}

static const char *option(char **argv, const char *name)
{
    for (; *argv; argv++) {
        if (strcmp(*argv, name) == 0 && argv[1])
            return argv[1];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    char dir[LAB_PATH_MAX];
    struct error err = {0};
    lab_os_begin(&argc, &argv);
    struct w3wp w = {.pool = option(argv, "-ap"), .self = lab_os_self()};
    bool here = lab_os_own_folder(dir, &err);
    if (here && child_called(argc, argv)) {
        *strrchr(dir, '/') = '\0';
        return child_main(dir, argv[1]);
    }
    if (!w.pool || !here) {
        fprintf(stderr, "w3wp: started by hand? usage: w3wp.exe -ap NAME, by lab-was. %s\n",
                err.text);
        return 2;
    }
    *strrchr(dir, '/') = '\0';
    lab_os_no_core();
    w.settings = settings_open(dir, &err);
    w.loop = w.settings ? loop_open(&err) : NULL;
    if (!w.loop) {
        fprintf(stderr, "w3wp: %s\n", err.text);
        return 1;
    }
    lab_os_end_with(lab_os_handed(POWER));
    w.server = settings_get(w.settings, "server", NULL, "name");
    w.server = w.server ? w.server : strrchr(dir, '/') + 1;
    w.born_sick = fault_on(w.settings, "worker-500", w.pool);
    if (fault_on(w.settings, "worker-cannot-start", w.pool))
        _exit(LAB_EXIT_FAILED);
    w.was = (struct stream){.on_data = on_data, .on_end = on_end, .owner = &w};
    stream_open(&w.was, w.loop, lab_os_handed(CHANNEL));
    w.start_timer = (struct loop_timer){.fire = be_ready, .arg = &w};
    w.tick_timer = (struct loop_timer){.fire = tick, .arg = &w};
    w.crash_timer = (struct loop_timer){.fire = crash, .arg = &w};
    uint64_t start_ms = settings_number(w.settings, w.pool, "worker_start_ms", 80);
    fault_number(w.settings, "worker-slow-start", w.pool, 10000, &start_ms);
    loop_arm(w.loop, &w.start_timer, clock_boot_ms() + start_ms);
    loop_run(w.loop);
    return 0;
}
