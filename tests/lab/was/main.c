/* main.c - lab-was: svchost -k iissvcs, started by lab-sc, on Windows by the service manager; the
 * names of its guests stand after "--guests". */
#include "tests/lab/was/was.h"

#include "common/clock.h"
#include "common/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 500

enum { WAS, W3SVC, GUESTS };

void was_read_config(struct was *w)
{
    struct iisconf now;
    struct error err = {0};
    if (iisconf_read(&now, w->dir, &err) != ERR_NONE) {
        /* What runs goes on with what it knows, as WAS does. */
        fprintf(stderr, "lab-was: %s\n", err.text);
        truth_event(w->dir, 5172, NULL, 0);
        w->conf.id = now.id;
        iisconf_reset(&now);
        return;
    }
    iisconf_reset(&w->conf);
    w->conf = now;
    sites_read(w);
    pools_read(w);
    if (w->web_on)
        http_open_listeners(w);
}

void was_changed(struct was *w)
{
    rpc_look(w);
    if (!pools_idle(w))
        return;
    if (w->web_stopping) {
        w->web_stopping = false;
        hosted_stopped(&w->services[W3SVC]);
    }
    if (w->was_stopping) {
        w->was_stopping = w->was_on = false;
        hosted_stopped(&w->services[WAS]);
    }
}

static void start_was(void *arg)
{
    struct was *w = arg;
    w->was_on = true;
    was_read_config(w);
    for (struct pool *p = w->pools; p; p = p->next) {
        if (p->set.auto_start && p->in_config && p->state == POOL_STOPPED)
            pool_start(p);
    }
    hosted_running(&w->services[WAS]);
}

static void stop_was(void *arg)
{
    struct was *w = arg;
    w->was_stopping = true;
    for (struct pool *p = w->pools; p; p = p->next) {
        pool_stop(p, "stopped");
        p->app_offline = false;
    }
    was_changed(w);
}

static void start_web(void *arg)
{
    struct was *w = arg;
    w->web_on = true;
    http_open_listeners(w);
    for (struct pool *p = w->pools; p; p = p->next) {
        if (p->state == POOL_STARTED)
            pool_start(p);
    }
    hosted_running(&w->services[W3SVC]);
}

/* The sites refuse from now on; W3SVC waits for its workers (IIS.md section 1). */
static void stop_web(void *arg)
{
    struct was *w = arg;
    w->web_on = false;
    w->web_stopping = true;
    http_close_listeners(w);
    for (struct pool *p = w->pools; p; p = p->next) {
        for (struct request *r; (r = p->queue.first);) {
            list_remove(&p->queue, r);
            http_lose(r);
        }
        for (struct worker *worker = p->workers; worker; worker = worker->next)
            worker_stop(worker, "stopped");
    }
    was_changed(w);
}

static void guest_start(void *arg)
{
    hosted_running(arg);
}

static void guest_stop(void *arg)
{
    hosted_stopped(arg);
}

static void look(void *arg)
{
    struct was *w = arg;
    if (w->was_on && iisconf_stale(&w->conf, w->dir))
        was_read_config(w);
    else if (w->web_on)
        http_open_listeners(w); /* the fault site-refuses may have changed */
    workers_weigh(w);
    loop_arm(w->loop, &w->look_timer, clock_boot_ms() + LOOK_MS);
}

static void on_signal(enum loop_signal signal, void *arg)
{
    struct lab_end end;
    if (signal == LOOP_ASKED_TO_END)
        _exit(0);
    while (lab_os_reap(&end))
        worker_ended(arg, &end);
}

static void add_services(struct was *w, char **guests, int count)
{
    w->services[WAS] =
        (struct hosted_service){.name = "WAS", .start = start_was, .stop = stop_was, .arg = w};
    w->services[W3SVC] =
        (struct hosted_service){.name = "W3SVC", .start = start_web, .stop = stop_web, .arg = w};
    w->hosted = (struct hosted){
        .loop = w->loop, .settings = w->settings, .services = w->services, .count = GUESTS};
    for (int i = 0; i < count && w->hosted.count < SERVICES_MAX; i++) {
        struct hosted_service *s = &w->services[w->hosted.count++];
        *s = (struct hosted_service){
            .name = guests[i], .start = guest_start, .stop = guest_stop, .arg = s};
    }
}

static bool open_all(struct was *w, char **guests, int guest_count, struct error *err)
{
    w->settings = settings_open(w->dir, err);
    w->loop = w->settings ? loop_open(err) : NULL;
    w->tally = w->loop ? tally_open(w->dir, err) : NULL;
    if (!w->tally || !loop_signals(w->loop, on_signal, w, err) || !rpc_open(w, err))
        return false;
    w->name = settings_get(w->settings, "server", NULL, "name");
    w->threads = 100;
    add_services(w, guests, guest_count);
    if (!hosted_open(&w->hosted, err))
        return false;
    w->look_timer = (struct loop_timer){.fire = look, .arg = w};
    look(w);
    return true;
}

static bool enter_host(const char *dir, char **guests, int count, struct error *err)
{
    const char *names[SERVICES_MAX] = {"WAS", "W3SVC"};
    size_t n = GUESTS;
    for (int i = 0; i < count && n < SERVICES_MAX; i++)
        names[n++] = guests[i];
    return hosted_begin(dir, names, n, err);
}

int main(int argc, char **argv)
{
    char dir[LAB_PATH_MAX];
    struct error err = {0};
    struct was w = {.dir = dir, .rpc_fd = -1};
    int first_guest = 1;
    lab_os_begin(&argc, &argv);
    while (first_guest < argc && strcmp(argv[first_guest], "--guests") != 0)
        first_guest++;
    first_guest = first_guest < argc ? first_guest + 1 : argc;
    lab_os_many_files();
    lab_os_no_core();
    if (lab_os_own_folder(dir, &err))
        *strrchr(dir, '/') = '\0';
    if (err.code || !enter_host(dir, argv + first_guest, argc - first_guest, &err) ||
        !open_all(&w, argv + first_guest, argc - first_guest, &err)) {
        fprintf(stderr, "lab-was: %s (started by hand? lab-sc starts it)\n", err.text);
        return 1;
    }
    loop_run(w.loop);
    return 0;
}
