/* reload.c - see reload.h. */
#include "coordinator/reload.h"

#include "common/log.h"
#include "common/text.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define ACTOR    "SIGHUP"
#define TOLD_MAX 1500 /* bytes of mistakes in an event; the log has them all */

static atomic_bool g_asked;

static void on_signal(int which)
{
    (void)which;
    atomic_store(&g_asked, true); /* the brain's thread looks each second at least */
}

void reload_listen(void)
{
    struct sigaction set = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGHUP, &set, NULL);
}

bool reload_asked(void)
{
    return atomic_exchange(&g_asked, false);
}

static void keep_mistake(void *arg, const char *line)
{
    struct text *told = arg;
    log_error("rules_mistake", LOG_TEXT("error", line));
    if (strlen(text_get(told)) + strlen(line) < TOLD_MAX)
        text_addf(told, "%s%s", text_get(told)[0] ? "; " : "", line);
}

static void tell_refused(struct reload *r, const char *why, uint64_t now_ms, int64_t wall_ms)
{
    struct text text = {0};
    text_addf(&text, "%s was not taken, the rules from before stay in force: %s", r->path, why);
    const struct event event = {.kind = "rules.refused", .actor = ACTOR, .text = text_get(&text)};
    log_error("rules_refused", LOG_TEXT("file", r->path), LOG_TEXT("error", why));
    coordinator_tell(r->brain, &event, now_ms, wall_ms);
    text_reset(&text);
}

void reload_rules(struct reload *r, uint64_t now_ms, int64_t wall_ms)
{
    struct remediation read = {0};
    struct text mistakes = {0};
    struct error err = {0};
    if (!r->path) {
        log_warn("rules_not_read", LOG_TEXT("why", "coordinator.conf has no line `remediation`; "
                                                   "one that is new takes a restart"));
        return;
    }
    enum error_code code =
        remediation_read(r->path, r->windows, &read, keep_mistake, &mistakes, &err);
    code = code ? code
                : coordinator_take_rules(r->brain, read.rules, read.count, &read.guards, ACTOR,
                                         "remediation.conf was read anew", now_ms, wall_ms, &err);
    if (code) {
        bool said = text_get(&mistakes)[0] != '\0';
        tell_refused(r, said ? text_get(&mistakes) : err.text, now_ms, wall_ms);
        remediation_release(&read);
    } else {
        log_info("rules_taken", LOG_TEXT("file", r->path), LOG_UINT("rules", read.count));
        remediation_release(&r->taken);
        r->taken = read;
    }
    text_reset(&mistakes);
}

void reload_release(struct reload *r)
{
    remediation_release(&r->taken);
}
