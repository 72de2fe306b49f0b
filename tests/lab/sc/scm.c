#include "tests/lab/sc/scm.h"

#include "common/must.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool scm_depends_on(const struct service *s, const char *name)
{
    for (size_t i = 0; i < s->depend_count; i++) {
        if (text_equal_nocase(s->depends[i], name))
            return true;
    }
    return false;
}

static void note(struct scm *scm, const char *what, const struct service *s)
{
    truth_write(scm->dir, what,
                json_pack("{s:s, s:i, s:i}", "service", s->name, "pid",
                          s->host ? (int)s->host->id.pid : 0, "exit_code", (int)s->exit_code));
}

static void enter(struct scm *scm, struct service *s, enum service_state state)
{
    enum service_state before = s->state;
    s->state = state;
    if (state == SVC_RUNNING && before != SVC_RUNNING)
        note(scm, "service_running", s);
    if (state == SVC_STOPPED && before == SVC_START_PENDING) {
        s->start_failed = true;
        note(scm, "service_start_failed", s);
    }
    if (state == SVC_STOPPED && before == SVC_STOP_PENDING)
        note(scm, "service_stopped", s);
}

/* A host whose services have all stopped is let go; a new start makes a new process. */
static void close_if_empty(struct scm *scm, struct host *h)
{
    for (size_t i = 0; i < scm->service_count; i++) {
        if (scm->services[i].host == h && scm->services[i].state != SVC_STOPPED)
            return;
    }
    h->closing = true;
    line_close(&h->line);
}

static void reported(struct line *line, json_t *o)
{
    struct host *h = line->owner;
    const char *name = json_string_value(json_object_get(o, "service"));
    struct service *s = name ? database_find(h->scm, name) : NULL;
    if (!s || s->host != h)
        return;
    s->checkpoint = (unsigned)json_integer_value(json_object_get(o, "checkpoint"));
    s->wait_hint_ms = (unsigned)json_integer_value(json_object_get(o, "wait_hint_ms"));
    s->exit_code = (unsigned)json_integer_value(json_object_get(o, "exit_code"));
    enter(h->scm, s, (enum service_state)json_integer_value(json_object_get(o, "state")));
    if (s->state == SVC_STOPPED)
        close_if_empty(h->scm, h);
    scm_look(h->scm);
}

static void channel_end(struct line *line)
{
    (void)line; /* the end of the process follows, and is what counts */
}

static struct host *host_named(struct scm *scm, const char *name)
{
    for (size_t i = 0; i < scm->host_count; i++) {
        if (text_equal_nocase(scm->hosts[i].name, name))
            return &scm->hosts[i];
    }
    struct host *h = &scm->hosts[scm->host_count++];
    *h = (struct host){.scm = scm};
    text_copy(h->name, sizeof h->name, name);
    return h;
}

/* lab-was with its guests, or a process that does nothing for the others. */
static bool spawn(struct scm *scm, struct host *h, struct error *err)
{
    char program[LAB_PATH_MAX + 32];
    bool iis = strcmp(h->name, "iissvcs") == 0;
    const char *argv[SCM_SERVICES + 8] = {program};
    size_t n = 1;
    snprintf(program, sizeof program, "%s/inetsrv/%s", scm->dir, iis ? "lab-was" : "lab-sc");
    argv[n++] = iis ? "-k" : "idle";
    if (iis) {
        argv[n++] = "iissvcs";
        argv[n++] = "--guests";
    }
    for (size_t i = iis ? 3 : 0; i < scm->service_count; i++) {
        if (text_equal_nocase(scm->services[i].host_name, h->name))
            argv[n++] = scm->services[i].name;
    }
    int pair[2];
    if (!socket_pair(pair, err))
        return false;
    const int keep[] = {pair[1], scm->power_fd};
    bool ok = lab_os_spawn(argv, keep, 2, false, &h->id.pid, err);
    socket_close(pair[1]);
    if (!ok) {
        socket_close(pair[0]);
        h->id.pid = 0;
        return false;
    }
    h->id.created = lab_os_created(h->id.pid);
    h->closing = false;
    h->line = (struct line){.on_object = reported, .on_end = channel_end, .owner = h};
    line_open(&h->line, scm->loop, pair[0]);
    truth_write(scm->dir, "host_start",
                json_pack("{s:o, s:s}", "host", truth_id(h->id), "name", h->name));
    return true;
}

static void control(struct service *s, const char *word)
{
    line_send(&s->host->line, json_pack("{s:s, s:s}", "service", s->name, "control", word));
}

/* All that it depends on runs, and its host is free: off it goes. */
static void launch(struct scm *scm, struct service *s)
{
    struct error err = {0};
    s->start_wanted = false;
    note(scm, "service_start", s);
    if (!*s->host_name) {
        enter(scm, s, SVC_RUNNING);
        return;
    }
    s->host = host_named(scm, s->host_name);
    enter(scm, s, SVC_START_PENDING);
    s->checkpoint = 0;
    s->wait_hint_ms = 2000;
    if (!s->host->id.pid && !spawn(scm, s->host, &err)) {
        fprintf(stderr, "lab-sc: %s: %s\n", s->name, err.text);
        s->exit_code = WIN32_REQUEST_TIMEOUT;
        enter(scm, s, SVC_STOPPED);
        return;
    }
    control(s, "start");
}

static bool host_is_leaving(struct scm *scm, const struct service *s)
{
    return *s->host_name && host_named(scm, s->host_name)->closing;
}

enum readiness { READY, WAITS, CANNOT };

static enum readiness readiness(struct scm *scm, const struct service *s)
{
    enum readiness all = host_is_leaving(scm, s) ? WAITS : READY;
    for (size_t i = 0; i < s->depend_count; i++) {
        struct service *d = database_find(scm, s->depends[i]);
        if (!d || (d->state == SVC_STOPPED && !d->start_wanted && d->start_failed))
            return CANNOT;
        if (d->state == SVC_STOPPED && !d->start_wanted && scm_start(scm, d) != WIN32_OK)
            return CANNOT;
        if (d->state == SVC_STOP_PENDING)
            return CANNOT;
        if (d->state != SVC_RUNNING)
            all = WAITS;
    }
    return all;
}

static void advance(struct scm *scm, struct service *s)
{
    switch (readiness(scm, s)) {
    case READY:
        launch(scm, s);
        break;
    case CANNOT:
        s->start_wanted = false;
        s->start_failed = true;
        s->exit_code = WIN32_DEPENDENCY_FAIL;
        note(scm, "service_start_failed", s);
        break;
    case WAITS:
        break;
    }
}

/* A dependency may stand before its dependent in the list: as many rounds as a chain is long. */
void scm_look(struct scm *scm)
{
    for (size_t round = 0; round < SCM_DEPENDS; round++) {
        for (size_t i = 0; i < scm->service_count; i++) {
            if (scm->services[i].start_wanted)
                advance(scm, &scm->services[i]);
        }
    }
    desk_look(scm);
}

unsigned scm_start(struct scm *scm, struct service *s)
{
    if (s->start_type == START_DISABLED)
        return WIN32_DISABLED;
    if (s->state != SVC_STOPPED || s->start_wanted)
        return WIN32_ALREADY_RUNNING;
    s->start_wanted = true;
    s->start_failed = false;
    s->exit_code = 0;
    for (size_t i = 0; i < s->depend_count; i++) {
        struct service *d = database_find(scm, s->depends[i]);
        if (d && d->state == SVC_STOPPED)
            d->start_failed = false; /* it gets another chance */
    }
    return WIN32_OK;
}

static bool has_dependents(struct scm *scm, const struct service *s)
{
    for (size_t i = 0; i < scm->service_count; i++) {
        if (scm->services[i].state != SVC_STOPPED && scm_depends_on(&scm->services[i], s->name))
            return true;
    }
    return false;
}

unsigned scm_stop(struct scm *scm, struct service *s)
{
    uint64_t code = 0;
    if (s->state == SVC_STOPPED)
        return WIN32_NOT_ACTIVE;
    if (has_dependents(scm, s))
        return WIN32_DEPENDENTS_RUNNING;
    if (s->state != SVC_RUNNING)
        return WIN32_CANNOT_ACCEPT;
    if (fault_number(scm->settings, "service-refuses-stop", s->name, WIN32_CANNOT_ACCEPT, &code))
        return (unsigned)code;
    note(scm, "service_stop", s);
    enter(scm, s, *s->host_name ? SVC_STOP_PENDING : SVC_STOPPED);
    s->checkpoint = 0;
    if (*s->host_name)
        control(s, "stop");
    return WIN32_OK;
}

void scm_boot(struct scm *scm)
{
    truth_write(scm->dir, "boot", json_object());
    for (size_t i = 0; i < scm->service_count; i++) {
        if (scm->services[i].start_type == START_AUTO)
            scm_start(scm, &scm->services[i]);
    }
    scm_look(scm);
}

static void service_died(struct scm *scm, struct service *s)
{
    s->exit_code = WIN32_PROCESS_ABORTED;
    s->checkpoint = s->wait_hint_ms = 0;
    note(scm, "service_died", s);
    enter(scm, s, SVC_STOPPED);
}

static void host_ended(struct scm *scm, struct host *h, const struct lab_end *end)
{
    bool died = !h->closing;
    for (size_t i = 0; i < scm->service_count; i++) {
        struct service *s = &scm->services[i];
        if (s->host == h && s->state != SVC_STOPPED)
            service_died(scm, s);
    }
    truth_write(scm->dir, "host_end",
                json_pack("{s:o, s:s, s:i}", "host", truth_id(h->id), "how",
                          !died          ? "ended"
                          : end->aborted ? "killed"
                                         : "crashed",
                          "code", end->code));
    if (died && strcmp(h->name, "iissvcs") == 0)
        truth_all_end(scm->dir, scm->tally, "host-died");
    line_close(&h->line);
    h->id = (struct lab_id){0};
    h->closing = false;
}

void scm_child_ended(struct scm *scm, const struct lab_end *end)
{
    bool known = false;
    for (size_t i = 0; i < scm->host_count; i++) {
        if (scm->hosts[i].id.pid != end->pid)
            continue;
        host_ended(scm, &scm->hosts[i], end);
        known = true;
    }
    if (!known) /* a worker that outlived its host */
        truth_write(scm->dir, "survivor_gone", json_pack("{s:i}", "pid", (int)end->pid));
    scm_look(scm);
}
