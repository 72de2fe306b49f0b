/* faults_store.c - see faults.h: an older store in place of the newest, a second coordinator. */
#include "tests/e2e/chaos/faults.h"

#include "tests/farm/farm/ask.h"
#include "tests/farm/farm/proc.h"
#include "tests/farm/farm/programs.h"

#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"

#include <signal.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STALE_MS 2500 /* longer than an agent's answer may serve a balancer command */

/* --- an older store in place of the newest --- */

/* The highest fence that an agent has in its journal: the one it tells coordinators of. What an
 * agent was only sent, or has not written yet, does not count. */
static uint64_t agents_fence(const struct storm *s)
{
    char server[FARM_NAME_MAX], path[PATH_MAX];
    uint64_t fence, highest = 0;
    struct error err = {0};
    for (unsigned i = 0; i < CHAOS_SERVERS; i++) {
        farm_server_name(server, i);
        farm_path(path, &s->c->h->farm, "agents/%s/journal.db", server);
        if (books_fence(path, &fence, &err) != ERR_NONE)
            fail_msg("%s", err.text);
        highest = fence > highest ? fence : highest;
    }
    return highest;
}

/* The copy whose successor's fence an agent has accepted; NULL: none is old enough yet. */
static const struct copy *choose_copy(const struct storm *s, unsigned choice, uint64_t known)
{
    const struct copy *old[COPIES_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < s->copy_count; i++)
        if (s->copies[i].fence < known)
            old[count++] = &s->copies[i];
    return count ? old[choice % count] : NULL;
}

static void take_in_books(struct storm *s, const char *path)
{
    struct error err = {0};
    if (books_add(s->c->books, path, &err) != ERR_NONE)
        chaos_wrong(s->c, "%s", err.text);
}

static void copy_or_fail(const char *from, const char *to)
{
    uint64_t fence;
    struct error err = {0};
    if (books_copy(from, to, &fence, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

void begin_store_replaced(struct storm *s, struct fault *f)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char path[160], lost[160];
    fault_kill_coordinator(s);
    uint64_t known = agents_fence(s);
    const struct copy *old = choose_copy(s, f->choice, known);
    if (!old)
        return;
    fault_state_path(s->c, "", path);
    text_format(lost, sizeof(lost), "%s/lost-%u.db", s->c->scratch, s->lost_count++);
    copy_or_fail(path, lost);
    take_in_books(s, lost);
    for (size_t i = 0; i < 3; i++) {
        fault_state_path(s->c, parts[i], path);
        unlink(path);
    }
    fault_state_path(s->c, "", path);
    copy_or_fail(old->path, path);
    watch_note(s->c->watch, "store of fence %llu, agents know %llu", (unsigned long long)old->fence,
               (unsigned long long)known);
    s->c->must_freeze = true;
    s->c->owes_takeover = false; /* this store knows nothing of it */
    s->c->strange_until_ms = UINT64_MAX;
    fault_start_coordinator(s);
}

/* Over when it has frozen. */
bool is_over_store_replaced(struct storm *s, const struct fault *f)
{
    (void)f;
    return !s->c->must_freeze;
}

void end_store_replaced(struct storm *s, struct fault *f)
{
    (void)f;
    if (s->wants_dead)
        fault_start_coordinator(s);
}

/* --- a second coordinator --- */

/* Its configuration: the first one's, with a port, socket and store of its own. */
static void write_second(struct storm *s, const char *path, unsigned port, const char *data_dir)
{
    char from[PATH_MAX], socket[108];
    char *old, *rest = NULL;
    size_t len;
    struct text out = {0};
    struct error err = {0};
    farm_path(from, &s->c->h->farm, "conf/coordinator.conf");
    farm_socket(socket, &s->second, "farmhand");
    if (os_read_file(from, 1 << 20, &old, &len, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    for (char *line = strtok_r(old, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (text_starts(line, "listen"))
            text_addf(&out, "listen = tcp://127.0.0.1:%u\nwithout_tls = loopback-only\n", port);
        else if (text_starts(line, "socket"))
            text_addf(&out, "socket = %s\n", socket);
        else if (text_starts(line, "data_dir"))
            text_addf(&out, "data_dir = %s\n", data_dir);
        else
            text_addf(&out, "%s\n", line);
    }
    if (os_write_file(path, text_get(&out), out.len, 0600, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    text_reset(&out);
    free(old);
}

static void start_second(struct storm *s, unsigned port)
{
    char dir[128], conf[192], path[160], copy[192], tool[PATH_MAX], name[32];
    struct error err = {0};
    s->second = s->c->h->farm;
    text_format(s->second.run, sizeof(s->second.run), "%s/run", s->c->scratch);
    text_format(dir, sizeof(dir), "%s/second-%u", s->c->scratch, s->second_count);
    assert_int_equal(os_make_dir(s->second.run, 0700, &err), ERR_NONE);
    assert_int_equal(os_make_dir(dir, 0700, &err), ERR_NONE);
    text_format(conf, sizeof(conf), "%s/second.conf", dir);
    text_format(copy, sizeof(copy), "%s/state.db", dir);
    write_second(s, conf, port, dir);
    fault_state_path(s->c, "", path);
    copy_or_fail(path, copy);
    text_format(name, sizeof(name), "second-%u", s->second_count);
    if (programs_find(PROGRAM_COORDINATOR, tool, &err) != ERR_NONE ||
        proc_start(&s->c->h->farm, name, (const char *const[]){tool, "--config", conf, NULL},
                   &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

/* Agents are cut off first, for so long that nothing the first one knows of them may still serve.
 * Then some of them, at least one, find the second one at the old address. */
void begin_second(struct storm *s, struct fault *f)
{
    unsigned port = s->c->coordinator_port + 1;
    unsigned led = f->choice % CHAOS_ALL + 1;
    fault_set_links(s, PROXY_CUT);
    harness_sleep_ms(STALE_MS);
    start_second(s, port);
    for (unsigned i = 0; i < CHAOS_SERVERS; i++)
        if (led & 1u << i)
            proxy_lead(s->c->proxy, i, port);
    fault_set_links(s, PROXY_PASS);
    s->c->strange_until_ms = UINT64_MAX;
    watch_note(s->c->watch, "second coordinator, agents %x", led);
}

void end_second(struct storm *s, struct fault *f)
{
    char name[32], path[192];
    uint64_t ours;
    struct error err = {0};
    (void)f;
    text_format(name, sizeof(name), "second-%u", s->second_count);
    proc_signal(&s->c->h->farm, name, SIGKILL, NULL);
    assert_true(proc_wait(&s->c->h->farm, name, 5000));
    text_format(path, sizeof(path), "%s/second-%u/state.db", s->c->scratch, s->second_count++);
    take_in_books(s, path);
    for (unsigned i = 0; i < CHAOS_SERVERS; i++)
        proxy_lead(s->c->proxy, i, s->c->coordinator_port);
    fault_state_path(s->c, "", path);
    if (books_fence(path, &ours, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    uint64_t known = agents_fence(s);
    watch_note(s->c->watch, "the second one ends; agents know fence %llu, the first one has %llu",
               (unsigned long long)known, (unsigned long long)ours);
    s->c->must_freeze = known > ours;
    if (!s->c->must_freeze)
        s->c->strange_until_ms = clock_boot_ms() + STRANGE_MS;
}
