/* faults.c - see faults.h: processes, links, the balancer, the disk. */
#include "tests/e2e/chaos/faults.h"

#include "tests/farm/farm/parts.h"
#include "tests/farm/farm/proc.h"

#include "common/clock.h"
#include "common/text.h"

#include <fcntl.h>
#include <signal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define IN_HAND_MS      400 /* visitors' requests from before are answered */
#define OLD_BALANCER_MS 8000
#define BALANCER_MS     2000 /* a new balancer serves, and kept connections are made anew */

void fault_start_coordinator(struct storm *s)
{
    s->tried_ms = clock_boot_ms();
    s->wants_dead = false;
    parts_start_coordinator(&s->c->h->farm, NULL); /* ends at once on a full disk: tried again */
}

void fault_state_path(const struct chaos *c, const char *suffix, char out[160])
{
    text_format(out, 160, "%s/state.db%s", c->data_dir, suffix);
}

/* --- the coordinator --- */

/* Before it dies a copy of its store is kept, for later. */
static void keep_copy(struct storm *s)
{
    char path[160];
    struct error err = {0};
    struct copy *copy = &s->copies[s->copy_count];
    if (s->copy_count == COPIES_MAX)
        return;
    fault_state_path(s->c, "", path);
    text_format(copy->path, sizeof(copy->path), "%s/copy-%u.db", s->c->scratch, s->copy_count);
    if (books_copy(path, copy->path, &copy->fence, &err) == ERR_NONE)
        s->copy_count++;
    else
        watch_note(s->c->watch, "no copy: %s", err.text);
}

void fault_kill_coordinator(struct storm *s)
{
    s->wants_dead = true;
    proc_signal(&s->c->h->farm, "coordinator", SIGKILL, NULL);
    assert_true(proc_wait(&s->c->h->farm, "coordinator", 5000));
}

void begin_coordinator_killed(struct storm *s, struct fault *f)
{
    (void)f;
    if (!(s->busy & DISK))
        keep_copy(s);
    fault_kill_coordinator(s);
}

void end_coordinator_killed(struct storm *s, struct fault *f)
{
    (void)f;
    fault_start_coordinator(s);
}

void begin_coordinator_stopped(struct storm *s, struct fault *f)
{
    (void)f;
    s->c->asleep = true;
    proc_signal(&s->c->h->farm, "coordinator", SIGSTOP, NULL);
}

void end_coordinator_stopped(struct storm *s, struct fault *f)
{
    (void)f;
    proc_signal(&s->c->h->farm, "coordinator", SIGCONT, NULL);
    s->c->asleep = false;
}

/* --- agents --- */

static void signal_agent(struct storm *s, const struct fault *f, int number)
{
    char name[32];
    parts_agent_name(name, f->server);
    proc_signal(&s->c->h->farm, name, number, NULL);
    if (number == SIGKILL)
        assert_true(proc_wait(&s->c->h->farm, name, 5000));
}

void begin_agent_killed(struct storm *s, struct fault *f)
{
    signal_agent(s, f, SIGKILL);
}

void end_agent_killed(struct storm *s, struct fault *f)
{
    struct error err = {0};
    if (parts_start_agent(&s->c->h->farm, f->server, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

void begin_agent_stopped(struct storm *s, struct fault *f)
{
    signal_agent(s, f, SIGSTOP);
}

void end_agent_stopped(struct storm *s, struct fault *f)
{
    signal_agent(s, f, SIGCONT);
}

/* --- links --- */

void begin_link_cut(struct storm *s, struct fault *f)
{
    proxy_set(s->c->proxy, f->server, PROXY_CUT, 0);
}

void begin_link_held(struct storm *s, struct fault *f)
{
    proxy_set(s->c->proxy, f->server, PROXY_HOLD, 0);
}

void begin_link_slow(struct storm *s, struct fault *f)
{
    proxy_set(s->c->proxy, f->server, PROXY_PASS, 100 + f->choice % 1400);
}

void end_link(struct storm *s, struct fault *f)
{
    proxy_set(s->c->proxy, f->server, PROXY_PASS, 0);
}

void fault_set_links(struct storm *s, enum proxy_mode mode)
{
    for (unsigned i = 0; i < CHAOS_SERVERS; i++)
        proxy_set(s->c->proxy, i, mode, 0);
}

void begin_links_cut(struct storm *s, struct fault *f)
{
    (void)f;
    fault_set_links(s, PROXY_CUT);
}

void end_links_cut(struct storm *s, struct fault *f)
{
    (void)f;
    fault_set_links(s, PROXY_PASS);
}

/* --- the balancer: what is lost while it is down is its own doing, and counted apart --- */

void fault_next_phase(struct storm *s, const char *word)
{
    char name[32];
    text_format(name, sizeof(name), "%s-%u", word, s->phase);
    harness_phase(s->c->h, name);
}

void begin_balancer_restarted(struct storm *s, struct fault *f)
{
    struct error err = {0};
    struct farm *farm = &s->c->h->farm;
    fault_next_phase(s, "balancer");
    harness_sleep_ms(IN_HAND_MS);
    proc_signal(farm, "haproxy", f->choice % 2 ? SIGKILL : SIGTERM, NULL);
    assert_true(proc_wait(farm, "haproxy", 5000));
    harness_sleep_ms(f->choice % 700);
    if (parts_start_balancer(farm, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    f->end_ms = clock_boot_ms() + BALANCER_MS;
}

void end_balancer_restarted(struct storm *s, struct fault *f)
{
    (void)f;
    s->phase++;
    fault_next_phase(s, "calm");
}

/* No moment without a balancer; but what was drained is forgotten. */
void begin_balancer_reloaded(struct storm *s, struct fault *f)
{
    struct error err = {0};
    fault_next_phase(s, "balancer");
    harness_sleep_ms(IN_HAND_MS);
    if (parts_reload_balancer(&s->c->h->farm, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    f->end_ms = clock_boot_ms() + BALANCER_MS;
}

void end_balancer_reloaded(struct storm *s, struct fault *f)
{
    struct farm *farm = &s->c->h->farm;
    if (!proc_wait(farm, "haproxy-old", OLD_BALANCER_MS)) { /* a visitor's slow answer */
        proc_signal(farm, "haproxy-old", SIGKILL, NULL);
        assert_true(proc_wait(farm, "haproxy-old", 5000));
    }
    end_balancer_restarted(s, f);
}

/* --- the disk --- */

static void filler_path(const struct chaos *c, char out[160])
{
    text_format(out, 160, "%s/filler", c->data_dir);
}

void fault_fill_disk(struct storm *s)
{
    static const char block[4096];
    char path[160];
    filler_path(s->c, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    while (write(fd, block, sizeof(block)) > 0) {
    }
    close(fd);
}

void begin_disk_full(struct storm *s, struct fault *f)
{
    (void)f;
    fault_fill_disk(s);
}

void end_disk_full(struct storm *s, struct fault *f)
{
    char path[160];
    (void)f;
    filler_path(s->c, path);
    unlink(path);
}
