/* run_win32.c - `lab-sc run` on Windows: the machine that Windows' service manager runs on.
 *
 * The services are the manager's. Here they are registered, the automatic ones started, and what is
 * done to them is noted: every process of a service keeps a connection to control.sock and reports
 * on it. When one breaks, that process has ended: then the manager is told, since Wine's does not
 * notice, and the truth says how it was. With this process the whole server ends.
 */
#include "tests/lab/sc/scm.h"

#include "common/must.h"
#include "common/os.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/lab/base/winsvc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct desk_call {
    struct desk_call *next;
    struct scm *scm;
    struct line line;
    struct service *service; /* whose process this is; NULL: another visitor */
    struct lab_id id;
    HANDLE process;
    bool waits_for_boot;
};

static void note(struct scm *scm, const char *what, const struct service *s, uint32_t pid)
{
    truth_write(scm->dir, what,
                json_pack("{s:s, s:i, s:i}", "service", s->name, "pid", (int)pid, "exit_code",
                          (int)s->exit_code));
}

static bool hosts_iis(const struct service *s)
{
    return text_equal(s->name, "WAS");
}

/* ---- the boot ---- */

static void say_ready(struct scm *scm)
{
    for (size_t i = 0; i < scm->service_count; i++) {
        const struct service *s = &scm->services[i];
        if (s->start_wanted || s->state == SVC_START_PENDING)
            return;
    }
    if (!scm->booted) {
        scm->booted = true;
        puts("ready");
        fflush(stdout);
    }
    for (struct desk_call *call = scm->calls; call; call = call->next) {
        if (call->waits_for_boot)
            line_send(&call->line, json_pack("{s:i, s:[]}", "code", 0, "services"));
        call->waits_for_boot = false;
    }
}

static void add_guests(const struct scm *scm, const char *host, struct text *out)
{
    for (size_t i = 0; i < scm->service_count; i++) {
        const struct service *s = &scm->services[i];
        if (text_equal_nocase(s->host_name, host) && !text_equal(s->name, "WAS") &&
            !text_equal(s->name, "W3SVC"))
            text_addf(out, " %s", s->name);
    }
}

static unsigned install(const struct scm *scm, const struct service *s)
{
    struct text command = {0}, depends = {0};
    bool iis = text_equal_nocase(s->host_name, "iissvcs");
    if (iis)
        text_addf(&command, "\"%s/inetsrv/lab-was.exe\" -k iissvcs --guests", scm->dir);
    else
        text_addf(&command, "\"%s/inetsrv/lab-sc.exe\" idle", scm->dir);
    add_guests(scm, s->host_name, &command);
    for (size_t i = 0; i < s->depend_count; i++)
        text_addf(&depends, "%s%s", i ? " " : "", s->depends[i]);
    unsigned code =
        winsvc_install(s->name, s->display, text_get(&command), text_get(&depends), s->start_type);
    text_reset(&command);
    text_reset(&depends);
    return code;
}

/* HTTP is a driver, and Wine's own: it stays as it is. */
static bool install_all(struct scm *scm, struct error *err)
{
    struct winsvc_row row;
    for (size_t i = 0; i < scm->service_count; i++) {
        const struct service *s = &scm->services[i];
        unsigned code = *s->host_name ? install(scm, s) : 0;
        if (code) {
            error_set(err, ERR_STATE, "the service %s cannot be registered: code %u", s->name,
                      code);
            return false;
        }
        if (*s->host_name && winsvc_query(s->name, &row) == 0 && row.state != SERVICE_STOPPED)
            winsvc_say_stopped(s->name, 0); /* left behind by a power cut */
    }
    return true;
}

static void boot(struct scm *scm)
{
    truth_write(scm->dir, "boot", json_object());
    for (size_t i = 0; i < scm->service_count; i++) {
        struct service *s = &scm->services[i];
        if (s->start_type != START_AUTO || !*s->host_name)
            continue;
        unsigned code = winsvc_start(s->name);
        s->start_wanted = code == 0 || code == WIN32_ALREADY_RUNNING;
        if (!s->start_wanted)
            fprintf(stderr, "lab-sc: %s does not start: code %u\n", s->name, code);
    }
    say_ready(scm);
}

/* ---- what the processes of services say ---- */

static void enter(struct scm *scm, struct service *s, enum service_state state, uint32_t pid)
{
    enum service_state before = s->state;
    s->state = state;
    if (state == SVC_RUNNING && before != SVC_RUNNING)
        note(scm, "service_running", s, pid);
    if (state == SVC_STOPPED && before == SVC_START_PENDING)
        note(scm, "service_start_failed", s, pid);
    if (state == SVC_STOPPED && before == SVC_STOP_PENDING)
        note(scm, "service_stopped", s, pid);
    if (state != SVC_START_PENDING)
        s->start_wanted = false;
}

static void present(struct desk_call *call, struct service *s, const json_t *o)
{
    call->service = s;
    call->id.pid = (uint32_t)json_integer_value(json_object_get(o, "pid"));
    call->id.created = (uint64_t)json_integer_value(json_object_get(o, "created"));
    call->process =
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, call->id.pid);
    s->exit_code = 0;
    note(call->scm, "service_start", s, call->id.pid);
    enter(call->scm, s, SVC_START_PENDING, call->id.pid);
    if (hosts_iis(s))
        truth_write(call->scm->dir, "host_start",
                    json_pack("{s:o, s:s}", "host", truth_id(call->id), "name", "iissvcs"));
}

static void on_service(struct desk_call *call, struct service *s, const char *op, const json_t *o)
{
    if (strcmp(op, "present") == 0) {
        present(call, s, o);
    } else if (strcmp(op, "stop") == 0) {
        note(call->scm, "service_stop", s, call->id.pid);
    } else if (json_object_get(o, "state")) {
        s->exit_code = (unsigned)json_integer_value(json_object_get(o, "exit_code"));
        enter(call->scm, s, (enum service_state)json_integer_value(json_object_get(o, "state")),
              call->id.pid);
    }
    say_ready(call->scm);
}

static void on_object(struct line *line, json_t *o)
{
    struct desk_call *call = line->owner;
    const char *op = json_string_value(json_object_get(o, "op"));
    const char *name = json_string_value(json_object_get(o, "service"));
    struct service *s = name ? database_find(call->scm, name) : NULL;
    op = op ? op : "";
    if (s) {
        on_service(call, s, op, o);
    } else if (strcmp(op, "down") == 0) {
        loop_stop(call->scm->loop);
    } else if (strcmp(op, "ready") == 0) {
        call->waits_for_boot = true;
        say_ready(call->scm);
    }
}

/* ---- the end of such a process ---- */

static void service_died(struct desk_call *call)
{
    struct service *s = call->service;
    s->exit_code = WIN32_PROCESS_ABORTED;
    note(call->scm, "service_died", s, call->id.pid);
    s->state = SVC_STOPPED;
    s->start_wanted = false;
    winsvc_say_stopped(s->name, WIN32_PROCESS_ABORTED);
}

static void host_ended(struct desk_call *call, bool died, DWORD code)
{
    truth_write(call->scm->dir, "host_end",
                json_pack("{s:o, s:s, s:i}", "host", truth_id(call->id), "how",
                          !died                     ? "ended"
                          : code == LAB_EXIT_FAILED ? "crashed"
                                                    : "killed",
                          "code", (int)code));
    if (died)
        truth_all_end(call->scm->dir, call->scm->tally, "host-died");
}

/* A connection of a service that was started again meanwhile says nothing about the new one. */
static void process_ended(struct desk_call *call)
{
    DWORD code = 0;
    struct winsvc_row row;
    bool died = call->service->state != SVC_STOPPED;
    if (winsvc_query(call->service->name, &row) == 0 && row.pid && row.pid != call->id.pid)
        died = false;
    if (died && call->process)
        WaitForSingleObject(call->process, 2000); /* its sockets go a moment before */
    if (call->process)
        GetExitCodeProcess(call->process, &code);
    if (died)
        service_died(call);
    if (hosts_iis(call->service))
        host_ended(call, died, code);
    sys_close(&call->process);
    say_ready(call->scm);
}

static void on_end(struct line *line)
{
    struct desk_call *call = line->owner, **at = &call->scm->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (call->service)
        process_ended(call);
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

/* ---- the machine ---- */

static void on_signal(enum loop_signal signal, void *arg)
{
    struct scm *scm = arg;
    if (signal == LOOP_ASKED_TO_END)
        loop_stop(scm->loop);
}

static bool open_all(struct scm *scm, struct error *err)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/lab.lock", scm->dir);
    if (os_lock_file(path, err) != ERR_NONE) {
        error_wrap(err, "%s is running already", scm->dir);
        return false;
    }
    scm->settings = settings_open(scm->dir, err);
    scm->loop = scm->settings ? loop_open(err) : NULL;
    scm->tally = scm->loop ? tally_open(scm->dir, err) : NULL;
    if (!scm->tally || !loop_signals(scm->loop, on_signal, scm, err) || !database_open(scm, err))
        return false;
    snprintf(path, sizeof path, "%s/control.sock", scm->dir);
    scm->desk_fd = socket_listen_local(path, err);
    if (scm->desk_fd < 0)
        return false;
    loop_watch(scm->loop, scm->desk_fd, LOOP_READ, accept_ready, scm);
    return install_all(scm, err);
}

int run_server(const char *dir, struct error *err)
{
    static struct scm scm;
    char folder[LAB_PATH_MAX + 16];
    scm.dir = dir;
    if (!open_all(&scm, err))
        return 1;
    truth_all_end(dir, scm.tally, "power"); /* what a power cut left behind */
    boot(&scm);
    loop_run(scm.loop);
    truth_write(dir, "power_off", json_object());
    snprintf(folder, sizeof folder, "%s/inetsrv", dir);
    lab_os_kill_folder(folder);
    for (size_t i = 0; i < scm.service_count; i++) {
        if (*scm.services[i].host_name)
            winsvc_say_stopped(scm.services[i].name, 0);
    }
    return 0;
}
