/* swarm.c - many real agents in one process, with a web server each that takes no time.
 *
 *     bench-swarm FIRST COUNT URL DIR      agents sFIRST..., their journals in DIR/NAME
 *
 * Heart, journal, link and shell are the agent's own; only the driver is not, and what would be its
 * two threads are fibers (fibers.h). What they send is counted into DIR/sent.FIRST: listens,
 * reports, progress, results, observations, eight bytes each. Ends at SIGTERM.
 */
#include "agent/link.h"
#include "agent/settings.h"
#include "agent/shell.h"
#include "common/log.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"
#include "tests/bench/rollout/fibers.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- a web server that takes no time ---- */

struct quick {
    struct driver base;
    uint32_t pid;
};

static void fill(const struct quick *q, struct driver_view *out, bool whole)
{
    *out = (struct driver_view){.workers_known = true,
                                .worker_count = 1,
                                .trouble = "",
                                .barred = "",
                                .config_identity = "own"};
    struct worker *worker = must_alloc(1, sizeof(*worker));
    *worker = (struct worker){.pool = "Shop", .pid = q->pid, .created = q->pid};
    out->workers = worker;
    if (!whole)
        return;
    struct pool *pool = must_alloc(1, sizeof(*pool));
    *pool = (struct pool){.name = "Shop",
                          .state = POOL_STATE_STARTED,
                          .auto_start = true,
                          .start_mode = START_MODE_ALWAYS_RUNNING,
                          .overlap = true,
                          .max_processes = 1,
                          .queued = -1};
    struct service *services = must_alloc(2, sizeof(*services));
    services[0] = (struct service){"WAS", SVC_RUNNING, SVC_START_AUTO, 5};
    services[1] = (struct service){"W3SVC", SVC_RUNNING, SVC_START_AUTO, 5};
    out->pools_known = out->sites_known = out->services_known = true;
    out->pools = pool;
    out->pool_count = 1;
    out->services = services;
    out->service_count = 2;
}

static enum error_code quick_workers(struct driver *d, struct driver_view *out, struct error *err)
{
    (void)err;
    fill((struct quick *)d, out, false);
    return ERR_NONE;
}

static bool quick_changed(struct driver *d)
{
    (void)d;
    return false;
}

static enum error_code quick_look(struct driver *d, uint64_t timeout_ms, struct driver_view *out,
                                  struct error *err)
{
    (void)timeout_ms, (void)err;
    fill((struct quick *)d, out, true);
    return ERR_NONE;
}

static enum error_code quick_look_pool(struct driver *d, const char *pool, uint64_t timeout_ms,
                                       struct driver_view *out, struct error *err)
{
    (void)pool;
    return quick_look(d, timeout_ms, out, err);
}

static enum error_code quick_recycle(struct driver *d, const char *pool, uint64_t timeout_ms,
                                     struct error *err)
{
    (void)pool, (void)timeout_ms, (void)err;
    ((struct quick *)d)->pid++;
    return ERR_NONE;
}

static enum error_code quick_probe(struct driver *d, const char *pool, uint64_t timeout_ms,
                                   struct driver_probe *out, struct error *err)
{
    (void)d, (void)pool, (void)timeout_ms, (void)err;
    *out = (struct driver_probe){.answered = true, .passed = true, .status = 200};
    return ERR_NONE;
}

static const struct driver_ops quick_ops = {
    .name = "quick",
    .workers = quick_workers,
    .changed = quick_changed,
    .look = quick_look,
    .look_pool = quick_look_pool,
    .pool_recycle = quick_recycle,
    .probe = quick_probe,
};

/* ---- what they send: these two stand in front of the link's own (ld --wrap) ---- */

static _Atomic uint64_t none_kept[AGENT_OBSERVATION + 1];
static _Atomic uint64_t *sent = none_kept;

enum error_code __real_agent_link_listen(struct agent_link *link, const struct agent_message *m,
                                         struct error *err);
enum error_code __real_agent_link_send(struct agent_link *link, const struct agent_message *m,
                                       struct error *err);
enum error_code __wrap_agent_link_listen(struct agent_link *link, const struct agent_message *m,
                                         struct error *err);
enum error_code __wrap_agent_link_send(struct agent_link *link, const struct agent_message *m,
                                       struct error *err);

enum error_code __wrap_agent_link_listen(struct agent_link *link, const struct agent_message *m,
                                         struct error *err)
{
    atomic_fetch_add(&sent[AGENT_LISTEN], 1);
    return __real_agent_link_listen(link, m, err);
}

enum error_code __wrap_agent_link_send(struct agent_link *link, const struct agent_message *m,
                                       struct error *err)
{
    if (m->kind <= AGENT_OBSERVATION)
        atomic_fetch_add(&sent[m->kind], 1);
    return __real_agent_link_send(link, m, err);
}

static void count_into(const char *dir, const char *first)
{
    char path[4096];
    text_format(path, sizeof(path), "%s/sent.%s", dir, first);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && ftruncate(fd, sizeof(none_kept)) == 0);
    void *memory = mmap(NULL, sizeof(none_kept), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(memory != MAP_FAILED);
    sent = memory;
    close(fd);
}

/* ---- the agents ---- */

static const char template[] = "[agent]\n"
                               "name = %s\n"
                               "coordinator = %s\n"
                               "without_tls = loopback-only\n"
                               "data_dir = %s/%s\n"
                               "reconnect_min = 1s\n"
                               "heartbeat = 30s\n" /* the farm itself is to be quiet */
                               "beat = 1m\n"
                               "look_every = 1h\n"
                               "[allow]\n"
                               "verbs = recycle\n"
                               "pools = *\n"
                               "cool_down = 0s\n"
                               "max_per_hour = 0\n"
                               "[iis]\n"
                               "service_backend = none\n"
                               "appcmd = /appcmd\n"
                               "worker = /w3wp\n"
                               "config = /applicationHost.config\n";

struct one {
    struct quick driver;
    struct settings settings;
    struct shell *shell;
};

static void *run_one(void *arg)
{
    struct one *one = arg;
    shell_run(one->shell);
    return NULL;
}

static bool open_one(struct one *one, unsigned at, const char *url, const char *dir)
{
    char name[16], content[2 * 4096];
    struct error err = {0};
    text_format(name, sizeof(name), "s%05u", at);
    text_format(content, sizeof(content), template, name, url, dir, name);
    one->driver = (struct quick){.base = {.ops = &quick_ops}, .pid = 1000};
    enum error_code code = settings_parse(content, name, &one->settings, NULL, NULL, &err);
    if (code == ERR_NONE)
        code = shell_open(&one->settings, NULL, &one->driver.base, &one->shell, &err);
    if (code != ERR_NONE) {
        fprintf(stderr, "bench-swarm: %s: %s\n", name, err.text);
        return false;
    }
    fibers_add(run_one, one);
    return true;
}

struct swarm {
    unsigned first, count;
    const char *url, *dir;
};

/* One after the other, each at work before the next: who connects and says nothing is shut out. */
static void *open_all(void *arg)
{
    const struct swarm *swarm = arg;
    struct one *all = must_alloc(swarm->count, sizeof(*all));
    for (unsigned i = 0; i < swarm->count; i++) {
        if (!open_one(&all[i], swarm->first + i, swarm->url, swarm->dir))
            _exit(1);
        fibers_yield();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t first = 0, count = 0;
    if (argc != 5 || !text_parse_u64(argv[1], 0, 99999, &first) ||
        !text_parse_u64(argv[2], 1, 99999 - first + 1, &count)) {
        fprintf(stderr, "usage: bench-swarm FIRST COUNT URL DIR\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    count_into(argv[4], argv[1]);
    struct swarm swarm = {(unsigned)first, (unsigned)count, argv[3], argv[4]};
    fibers_add(open_all, &swarm);
    fibers_run(); /* until SIGTERM: closing thousands of links takes longer than it is worth */
}
