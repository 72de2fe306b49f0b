/* guardian_watch.c - see guardian.h: the process that stands by. It can only start. */
#include "agent/drivers/iis.h"
#include "agent/drivers/scm.h"
#include "agent/guardian.h"
#include "agent/services.h"
#include "common/clock.h"
#include "common/os.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS    250
#define AGENT_MS   1000 /* between looks for the agent's process */
#define QUERY_MS   10000
#define START_MS   30000
#define AGAIN_MS   5000
#define TRIES_MS   (15 * 60 * 1000) /* then a person has to come */
#define NAME_W3SVC "W3SVC"

struct watch {
    const char *path;
    struct guardian_order order;
    struct scm *scm;
    struct text story;
    bool left_alone;
};

static bool order_stands(const struct watch *w)
{
    struct guardian_order now;
    struct error err = {0};
    enum error_code code = guardian_read(w->path, &now, &err);
    if (code == ERR_NONE)
        return text_equal(now.id, w->order.id);
    return code != ERR_NOT_FOUND; /* what cannot be read was not taken back */
}

static bool agent_lives(const struct guardian_order *order)
{
    struct os_process process;
    return os_process_find(order->agent_pid, &process, NULL) == ERR_NONE &&
           process.created == order->agent_created;
}

/* ---- standing by ---- */

/* NULL: sent away. Else why the services are to be started. */
static const char *stand_by(const struct watch *w)
{
    uint64_t since_ms = clock_boot_ms(), gone_ms = 0, looked_ms = 0;
    while (order_stands(w)) {
        uint64_t now_ms = clock_boot_ms();
        if (now_ms - since_ms >= w->order.within_ms)
            return "the agent did not report the end in time";
        if (now_ms - looked_ms >= AGENT_MS) {
            looked_ms = now_ms;
            gone_ms = agent_lives(&w->order) ? 0 : gone_ms ? gone_ms : now_ms;
        }
        if (gone_ms && now_ms - gone_ms >= w->order.grace_ms)
            return "the agent was gone";
        clock_sleep_ms(LOOK_MS);
    }
    return NULL;
}

/* ---- starting ---- */

static const struct scm_row *row_of(const struct scm_rows *rows, const char *name)
{
    return scm_rows_find(rows, name);
}

static bool is_disabled(const struct scm_rows *rows, const char *name)
{
    const struct scm_row *row = row_of(rows, name);
    return row && row->start == SVC_START_DISABLED;
}

/* One try. true: nothing more is to be done, for better or worse, and the story says which. */
static bool try_web(struct watch *w)
{
    struct scm_rows rows = {0};
    struct error err = {0};
    bool over = true;
    if (w->scm->ops->query(w->scm, QUERY_MS, &rows, &err) != ERR_NONE) {
        w->scm->ops->start(w->scm, NAME_W3SVC, START_MS, &err); /* blindly: it can only help */
        return false;
    }
    const struct scm_row *web = row_of(&rows, NAME_W3SVC);
    w->left_alone = rows.barred[0] || is_disabled(&rows, "WAS") || is_disabled(&rows, NAME_W3SVC);
    if (rows.barred[0])
        text_addf(&w->story, "; left alone: %s", rows.barred);
    else if (w->left_alone)
        text_add(&w->story, "; left alone: WAS or W3SVC is disabled");
    else if (web && web->state == SVC_RUNNING)
        text_add(&w->story, "; W3SVC runs");
    else
        over = false;
    scm_rows_reset(&rows);
    if (over)
        return true;
    w->scm->ops->start(w->scm, NAME_W3SVC, START_MS, &err);
    scm_wait(w->scm, NAME_W3SVC, SVC_RUNNING, START_MS, &err);
    return false;
}

static int start_one(const char *name, void *arg)
{
    struct watch *w = arg;
    struct scm_rows rows = {0};
    struct error err = {0};
    if (!*name || text_equal_nocase(name, "WAS") || text_equal_nocase(name, NAME_W3SVC))
        return 0;
    if (w->scm->ops->query(w->scm, QUERY_MS, &rows, &err) != ERR_NONE)
        return 0;
    const struct scm_row *row = row_of(&rows, name);
    bool wanted =
        !rows.barred[0] && row && row->state == SVC_STOPPED && row->start != SVC_START_DISABLED;
    scm_rows_reset(&rows);
    if (!wanted)
        return 0;
    enum error_code code = w->scm->ops->start(w->scm, name, START_MS, &err);
    if (code == ERR_NONE)
        code = scm_wait(w->scm, name, SVC_RUNNING, START_MS, &err);
    text_addf(&w->story, "; %s %s", name, code == ERR_NONE ? "runs" : err.text);
    return 0;
}

/* False: the agent took the order back meanwhile. */
static bool start_all(struct watch *w)
{
    uint64_t since_ms = clock_boot_ms();
    while (order_stands(w) && !try_web(w)) {
        if (clock_boot_ms() - since_ms >= TRIES_MS) {
            text_add(&w->story, "; W3SVC did not start");
            return true;
        }
        clock_sleep_ms(AGAIN_MS);
    }
    if (!order_stands(w))
        return false;
    if (!w->left_alone)
        text_split(w->order.services, '\n', start_one, w);
    return true;
}

static void leave_word(const struct watch *w)
{
    char path[4096 + 16];
    size_t len = strlen(w->path);
    static const char end[] = ".order";
    if (len >= sizeof(end) - 1 && len < sizeof(path) - 16) {
        text_format(path, sizeof(path), "%.*s.done", (int)(len - (sizeof(end) - 1)), w->path);
        os_write_file(path, text_get(&w->story), w->story.len, 0600, NULL);
    }
    if (order_stands(w))
        os_remove_file(w->path, NULL);
}

/* ---- life ---- */

static const struct scm_ops *backend_named(const char *name)
{
    for (int i = 0; scm_names[i]; i++)
        if (text_equal(scm_names[i], name))
            return scm_ops_get(i);
    return NULL;
}

static int fail(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
    return EXIT_FAILURE;
}

int guardian_main(int argc, char **argv)
{
    struct watch w = {.path = argc == 2 ? argv[1] : NULL};
    struct error err = {0};
    int code = EXIT_SUCCESS;
    if (!w.path || iis_settings_check_path(w.path, NULL) != ERR_NONE)
        return fail("usage: farmhand-agent guardian /PATH/guardian.order (the agent starts it)");
    if (guardian_read(w.path, &w.order, &err) != ERR_NONE)
        return fail(err.text);
    const struct scm_ops *ops = backend_named(w.order.backend);
    if (!ops)
        return fail("the order names a service back end that is not known");
    if (ops->open(w.order.tool[0] ? w.order.tool : NULL, NULL, &w.scm, &err) != ERR_NONE)
        return fail(err.text);
    int gone = guardian_leave(&code, &err);
    if (gone < 0)
        return fail(err.text);
    if (gone > 0)
        return code;
    guardian_stands(&w.order);
    const char *why = stand_by(&w);
    if (why) {
        text_addf(&w.story, "the guardian acted, since %s", why);
        if (start_all(&w))
            leave_word(&w);
    }
    text_reset(&w.story);
    w.scm->ops->close(w.scm);
    return EXIT_SUCCESS;
}
