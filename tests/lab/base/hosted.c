#include "tests/lab/base/hosted_internal.h"
#include "tests/lab/base/lab_os.h"

#include "common/clock.h"
#include "common/must.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT_MS 500
#define POLL_MS       50
#define WAIT_HINT_MS  3000

const char *hosted_state_name(enum service_state state)
{
    switch (state) {
    case SVC_STOPPED:
        return "STOPPED";
    case SVC_START_PENDING:
        return "START_PENDING";
    case SVC_STOP_PENDING:
        return "STOP_PENDING";
    case SVC_RUNNING:
        return "RUNNING";
    }
    return "UNKNOWN";
}

static bool pending(const struct hosted_service *s)
{
    return s->state == SVC_START_PENDING || s->state == SVC_STOP_PENDING;
}

static void report(struct hosted_service *s, unsigned exit_code)
{
    if (!s->line)
        return;
    line_send(s->line, json_pack("{s:s, s:i, s:i, s:i, s:i}", "service", s->name, "state",
                                 (int)s->state, "checkpoint", (int)s->checkpoint, "wait_hint_ms",
                                 pending(s) ? WAIT_HINT_MS : 0, "exit_code", (int)exit_code));
}

static void enter(struct hosted_service *s, enum service_state state, unsigned exit_code)
{
    s->state = state;
    s->checkpoint = pending(s) ? 1 : 0;
    s->pending_ms = clock_boot_ms();
    s->begun = s->ended = false;
    loop_disarm(s->host->loop, &s->timer);
    if (pending(s))
        loop_arm(s->host->loop, &s->timer, s->pending_ms);
    report(s, exit_code);
}

static bool stuck(const struct hosted_service *s, uint64_t waited_ms)
{
    uint64_t seconds = 0;
    return text_equal(s->name, "WAS") &&
           fault_number(s->host->settings, "was-stuck", NULL, 0, &seconds) &&
           (seconds == 0 || waited_ms < seconds * 1000);
}

static void begin(struct hosted_service *s)
{
    uint64_t code = 0;
    bool starting = s->state == SVC_START_PENDING;
    s->begun = true;
    if (starting && fault_number(s->host->settings, "service-start-fails", s->name, 1053, &code))
        hosted_failed(s, (unsigned)code);
    else if (starting)
        s->start(s->arg);
    else
        s->stop(s->arg);
}

/* While pending: checkpoints, and the delays that faults ask for. */
static void tick(void *arg)
{
    struct hosted_service *s = arg;
    uint64_t waited = clock_boot_ms() - s->pending_ms, delay = 0;
    const char *fault = s->state == SVC_START_PENDING ? "service-slow-start" : "service-slow-stop";
    if (s->checkpoint < 1 + waited / CHECKPOINT_MS) {
        s->checkpoint++;
        report(s, 0);
    }
    loop_arm(s->host->loop, &s->timer, clock_boot_ms() + POLL_MS);
    if (!s->begun) {
        bool slow = fault_number(s->host->settings, fault, s->name, 5000, &delay);
        if (!slow || waited >= delay)
            begin(s);
    } else if (s->ended && !stuck(s, waited)) {
        enter(s, SVC_STOPPED, 0);
    }
}

void hosted_running(struct hosted_service *s)
{
    enter(s, SVC_RUNNING, 0);
}

void hosted_failed(struct hosted_service *s, unsigned code)
{
    enter(s, SVC_STOPPED, code);
}

void hosted_stopped(struct hosted_service *s)
{
    s->ended = true;
    loop_arm(s->host->loop, &s->timer, clock_boot_ms());
}

/* One connection to whoever tells services to start and stop. */
struct host_line {
    struct line line;
    struct hosted *host;
};

static void told(struct line *line, json_t *object)
{
    struct host_line *l = line->owner;
    const char *name = json_string_value(json_object_get(object, "service"));
    const char *control = json_string_value(json_object_get(object, "control"));
    for (size_t i = 0; i < l->host->count && name && control; i++) {
        struct hosted_service *s = &l->host->services[i];
        if (strcmp(s->name, name) != 0)
            continue;
        s->line = line;
        if (strcmp(control, "start") == 0 && s->state == SVC_STOPPED)
            enter(s, SVC_START_PENDING, 0);
        else if (strcmp(control, "stop") == 0 && s->state == SVC_RUNNING)
            enter(s, SVC_STOP_PENDING, 0);
    }
}

/* Nobody is left who could tell us anything: the end. A service that runs and lost its line takes
 * the others with it, since they are one process to the service manager. */
static void gone(struct line *line)
{
    struct host_line *l = line->owner;
    bool heard = false;
    for (size_t i = 0; i < l->host->count; i++) {
        struct hosted_service *s = &l->host->services[i];
        if (s->line == line && s->state != SVC_STOPPED)
            _exit(LAB_EXIT_FAILED);
        if (s->line == line)
            s->line = NULL;
        heard |= s->line != NULL;
    }
    if (!heard)
        _exit(0);
    loop_defer(l->host->loop, free, l);
}

struct line *hosted_line(struct hosted *h, int fd)
{
    struct host_line *l = must_alloc(1, sizeof *l);
    *l = (struct host_line){.host = h};
    l->line = (struct line){.on_object = told, .on_end = gone, .owner = l};
    line_open(&l->line, h->loop, fd);
    return &l->line;
}

static void power_gone(unsigned events, void *arg)
{
    (void)events;
    (void)arg;
    _exit(LAB_EXIT_FAILED);
}

bool hosted_open(struct hosted *h, struct error *err)
{
    for (size_t i = 0; i < h->count; i++) {
        struct hosted_service *s = &h->services[i];
        s->host = h;
        s->state = SVC_STOPPED;
        s->timer = (struct loop_timer){.fire = tick, .arg = s};
    }
    if (!hosted_connect(h, err))
        return false;
    loop_watch(h->loop, h->power_fd, LOOP_READ, power_gone, NULL);
    return true;
}
