/* desk.c - control.sock: {"op":"query|start|stop|config|enumdepend|ready|down","service":...} is
 * answered by {"code", "message", "services":[...]}. A start waits until what it depends on runs,
 * as StartService does; a stop never waits. */
#include "tests/lab/sc/scm.h"

#include "common/must.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct desk_call {
    struct desk_call *next;
    struct scm *scm;
    struct line line;
    struct service *starting; /* answered when it is launched or has failed */
    bool waits_for_boot;
};

static json_t *names(struct scm *scm, const struct service *s, bool dependents)
{
    json_t *list = json_array();
    for (size_t i = 0; !dependents && i < s->depend_count; i++)
        json_array_append_new(list, json_string(s->depends[i]));
    for (size_t i = 0; dependents && i < scm->service_count; i++) {
        if (scm_depends_on(&scm->services[i], s->name))
            json_array_append_new(list, json_string(scm->services[i].name));
    }
    return list;
}

static json_t *service_json(struct scm *scm, const struct service *s)
{
    bool alive = s->host && s->state != SVC_STOPPED;
    const char *on_failure = settings_get(scm->settings, "service", s->name, "on_failure");
    return json_pack("{s:s,s:s,s:s,s:i,s:s,s:I,s:I,s:i,s:i,s:i,s:i,s:s,s:b,s:b,s:o,s:o}",
                     "on_failure", on_failure ? on_failure : "", "name",
                     s->name, "display", s->display, "state", (int)s->state, "state_name",
                     hosted_state_name(s->state), "pid", (json_int_t)(alive ? s->host->id.pid : 0),
                     "created", (json_int_t)(alive ? s->host->id.created : 0), "checkpoint",
                     (int)s->checkpoint, "wait_hint_ms", (int)s->wait_hint_ms, "exit_code",
                     (int)s->exit_code, "start_type", (int)s->start_type, "start_name",
                     start_type_name(s->start_type), "accepts_stop", s->state == SVC_RUNNING,
                     "shares_process", strcmp(s->host_name, "iissvcs") == 0, "depends",
                     names(scm, s, false), "dependents", names(scm, s, true));
}

static void reply(struct desk_call *call, unsigned code, json_t *services)
{
    json_t *o =
        json_pack("{s:i, s:o}", "code", (int)code, "services", services ? services : json_array());
    if (code)
        json_object_set_new(o, "message", json_string(win32_text(code)));
    line_send(&call->line, o);
}

static void reply_one(struct desk_call *call, unsigned code, const struct service *s)
{
    json_t *list = json_array();
    if (s)
        json_array_append_new(list, service_json(call->scm, s));
    reply(call, code, list);
}

static bool booting(const struct scm *scm)
{
    for (size_t i = 0; i < scm->service_count; i++) {
        if (scm->services[i].start_wanted || scm->services[i].state == SVC_START_PENDING)
            return true;
    }
    return false;
}

void desk_look(struct scm *scm)
{
    if (!scm->booted && !booting(scm)) {
        scm->booted = true;
        puts("ready");
        fflush(stdout);
    }
    for (struct desk_call *call = scm->calls; call; call = call->next) {
        struct service *s = call->starting;
        if (s && !s->start_wanted) {
            call->starting = NULL;
            bool refused = s->state == SVC_STOPPED && s->exit_code == WIN32_DEPENDENCY_FAIL;
            reply_one(call, refused ? WIN32_DEPENDENCY_FAIL : WIN32_OK, s);
        }
        if (call->waits_for_boot && scm->booted) {
            call->waits_for_boot = false;
            reply(call, WIN32_OK, NULL);
        }
    }
}

/* What makes a machine unfit for touching its services; NULL: nothing. */
static const char *barred(struct scm *scm)
{
    if (fault_on(scm->settings, "shutting-down", NULL))
        return "the machine is shutting down";
    return fault_on(scm->settings, "reboot-pending", NULL) ? "a reboot of the machine is pending"
                                                           : NULL;
}

static void query(struct desk_call *call)
{
    json_t *list = json_array();
    for (size_t i = 0; i < call->scm->service_count; i++)
        json_array_append_new(list, service_json(call->scm, &call->scm->services[i]));
    json_t *o = json_pack("{s:i, s:o}", "code", WIN32_OK, "services", list);
    const char *why = barred(call->scm);
    if (why)
        json_object_set_new(o, "barred", json_string(why));
    line_send(&call->line, o);
}

static void enumdepend(struct desk_call *call, const struct service *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < call->scm->service_count; i++) {
        if (scm_depends_on(&call->scm->services[i], of->name))
            json_array_append_new(list, service_json(call->scm, &call->scm->services[i]));
    }
    reply(call, WIN32_OK, list);
}

static void configure(struct desk_call *call, struct service *s, const char *word)
{
    enum start_type type;
    struct error err = {0};
    if (!word || !start_type_parse(word, &type)) {
        reply(call, WIN32_INVALID_PARAMETER, NULL);
        return;
    }
    if (!database_save_type(call->scm, s, type, &err))
        fprintf(stderr, "lab-sc: %s\n", err.text);
    truth_write(call->scm->dir, "service_config",
                json_pack("{s:s, s:s}", "service", s->name, "start", word));
    reply_one(call, WIN32_OK, s);
}

static void start(struct desk_call *call, struct service *s)
{
    unsigned code = scm_start(call->scm, s);
    if (code) {
        reply_one(call, code, s);
        return;
    }
    call->starting = s;
}

static void on_service(struct desk_call *call, const char *op, struct service *s, const json_t *o)
{
    bool reads = strcmp(op, "query") == 0 || strcmp(op, "enumdepend") == 0;
    if (!reads && fault_on(call->scm->settings, "service-denied", s->name))
        reply(call, WIN32_ACCESS_DENIED, NULL);
    else if (strcmp(op, "query") == 0)
        reply_one(call, WIN32_OK, s);
    else if (strcmp(op, "enumdepend") == 0)
        enumdepend(call, s);
    else if (strcmp(op, "start") == 0)
        start(call, s);
    else if (strcmp(op, "stop") == 0)
        reply_one(call, scm_stop(call->scm, s), s);
    else if (strcmp(op, "config") == 0)
        configure(call, s, json_string_value(json_object_get(o, "start")));
    else
        reply(call, WIN32_INVALID_PARAMETER, NULL);
}

static void on_object(struct line *line, json_t *o)
{
    struct desk_call *call = line->owner;
    struct scm *scm = call->scm;
    const char *op = json_string_value(json_object_get(o, "op"));
    const char *name = json_string_value(json_object_get(o, "service"));
    struct service *s = name ? database_find(scm, name) : NULL;
    uint64_t code = 0;
    op = op ? op : "";
    if (strcmp(op, "down") == 0)
        loop_stop(scm->loop);
    else if (strcmp(op, "ready") == 0)
        call->waits_for_boot = true;
    else if (fault_number(scm->settings, "scm-error", op, 1055, &code))
        reply(call, (unsigned)code, NULL);
    else if (strcmp(op, "query") == 0 && !name)
        query(call);
    else if (!s)
        reply(call, name ? WIN32_NO_SUCH_SERVICE : WIN32_INVALID_PARAMETER, NULL);
    else
        on_service(call, op, s, o);
    scm_look(scm);
}

static void on_end(struct line *line)
{
    struct desk_call *call = line->owner, **at = &call->scm->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    loop_defer(call->scm->loop, free, call);
}

static void accept_ready(unsigned events, void *arg)
{
    struct scm *scm = arg;
    (void)events;
    for (int fd; (fd = socket_accept(scm->desk_fd)) >= 0;) {
        struct desk_call *call = must_alloc(1, sizeof *call);
        *call = (struct desk_call){.scm = scm, .next = scm->calls};
        call->line = (struct line){.on_object = on_object, .on_end = on_end, .owner = call};
        scm->calls = call;
        line_open(&call->line, scm->loop, fd);
    }
}

bool desk_open(struct scm *scm, struct error *err)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/control.sock", scm->dir);
    scm->desk_fd = socket_listen_local(path, err);
    if (scm->desk_fd < 0)
        return false;
    loop_watch(scm->loop, scm->desk_fd, LOOP_READ, accept_ready, scm);
    return true;
}
