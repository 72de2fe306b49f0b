/* plan_order.c - see plan_impl.h: in which order, in which waves, how many at once. */
#include "coordinator/core/plan_impl.h"

#include "common/text.h"
#include "coordinator/core/share.h"

#include <stdlib.h>
#include <string.h>

#define WAVES_MAX 32 /* parts of --waves */

/* ---- checking ---- */

static int check_wave(const char *part, void *arg)
{
    struct error *err = arg;
    struct share share;
    if (!share_parse(part, &share)) {
        return (int)error_set(err, ERR_INVALID,
                              "waves: \"%.40s\" is neither a number of servers nor a percentage: "
                              "write 1,5,20%%",
                              part);
    }
    if (share.number == 0) {
        return (int)error_set(err, ERR_INVALID, "waves: a wave of \"%.40s\" is none", part);
    }
    return 0;
}

static enum error_code check_waves(const char *waves, struct error *err)
{
    size_t parts = 1;
    for (const char *s = waves; *s; s++) {
        parts += *s == ',';
    }
    if (strlen(waves) >= ROLLOUT_WAVES_MAX || parts > WAVES_MAX) {
        return error_set(err, ERR_INVALID,
                         "waves: at most %d of them; the last one repeats until all servers are "
                         "done",
                         WAVES_MAX);
    }
    return *waves ? (enum error_code)text_split(waves, ',', check_wave, err) : ERR_NONE;
}

enum error_code order_check(const struct plan_request *q, struct error *err)
{
    const struct rollout_options *o = &q->options;
    enum error_code code = check_waves(q->waves ? q->waves : "", err);
    if (code != ERR_NONE) {
        return code;
    }
    if (o->pause_after_canary && !o->canary) {
        return error_set(err, ERR_INVALID, "pause_after_canary needs a canary: --canary 1");
    }
    if (o->bake_ms && !o->canary && !(q->waves && q->waves[0])) {
        return error_set(err, ERR_INVALID,
                         "bake is the time between two waves, and there is only one: --canary 1, "
                         "or --waves 1,5,20%%");
    }
    if (q->order && (strlen(q->order) >= ROLLOUT_LABEL_MAX || !wire_text_is_clean(q->order))) {
        return error_set(err, ERR_INVALID, "order: the name of a label, at most %d bytes",
                         ROLLOUT_LABEL_MAX - 1);
    }
    return ERR_NONE;
}

/* ---- the order ---- */

const char *order_zone(const struct fleet_server *s, const char *label)
{
    for (size_t i = 0; i < s->label_count; i++) {
        if (text_equal_nocase(s->labels[i].key, label)) {
            return s->labels[i].value;
        }
    }
    return "";
}

static int compare(const void *left, const void *right)
{
    const struct choice *a = left, *b = right;
    int by = (int)a->last - (int)b->last;
    by = by ? by : text_compare_nocase(a->zone, b->zone);
    by = by ? by : text_compare_nocase(a->server->name, b->server->name);
    return by ? by : text_compare_nocase(a->pool, b->pool);
}

enum error_code order_choices(const struct plan_request *q, struct choice *choices, size_t count,
                              struct error *err)
{
    bool by_label = q->order && q->order[0];
    for (size_t i = 0; i < count; i++) {
        const struct fleet_server *s = choices[i].server;
        const char *zone = by_label ? order_zone(s, q->order) : "";
        if (by_label && (!zone[0] || strlen(zone) >= ROLLOUT_LABEL_MAX)) {
            return error_set(err, ERR_INVALID,
                             "%s has no label %s (of at most %d bytes): with --order %s two of its "
                             "values are never out at once, so each server needs one",
                             s->name, q->order, ROLLOUT_LABEL_MAX - 1, q->order);
        }
        choices[i].zone = zone;
        choices[i].last = q->own_server && text_equal_nocase(q->own_server, s->name);
    }
    if (count) {
        qsort(choices, count, sizeof *choices, compare);
    }
    return ERR_NONE;
}

/* ---- waves ---- */

struct dealing {
    struct rollout *run;
    size_t at;     /* the next target */
    size_t end;    /* of those to be dealt */
    uint32_t wave; /* the next wave */
    uint32_t last; /* servers of the wave before */
};

static bool same_server(const struct rollout *run, size_t a, size_t b)
{
    return text_equal_nocase(run->targets[a].server, run->targets[b].server);
}

/* Servers whole: all pools of one are in one wave. */
static void deal(struct dealing *d, uint32_t servers)
{
    d->last = servers ? servers : 1;
    for (uint32_t i = 0; i < d->last && d->at < d->end; i++) {
        do {
            d->run->targets[d->at++].wave = d->wave;
        } while (d->at < d->end && same_server(d->run, d->at, d->at - 1));
    }
    d->wave++;
}

/* Where the targets of the coordinator's own server begin, if they are the last and others come
 * before: they have a wave of their own, so that nothing else is in hand when the coordinator
 * itself may be struck. What only gives back cannot strike it, and keeps nobody waiting. */
static size_t find_own(const struct plan_request *q, const struct rollout *run)
{
    size_t at = run->target_count;
    while (q->own_server && !rollout_action_restores(run->action) && at > 0 &&
           text_equal_nocase(run->targets[at - 1].server, q->own_server)) {
        at--;
    }
    return at ? at : run->target_count;
}

static size_t count_servers(const struct rollout *run)
{
    size_t count = 0;
    for (size_t i = 0; i < run->target_count; i++) {
        count += i == 0 || !same_server(run, i, i - 1);
    }
    return count;
}

static int deal_wave(const char *part, void *arg)
{
    struct dealing *d = arg;
    struct share share = {.number = 1};
    share_parse(part, &share);
    deal(d, share_of(share, count_servers(d->run)));
    return 0;
}

void order_waves(const struct plan_request *q, struct rollout *run, bool own_is_out)
{
    struct rollout_options *o = &run->options;
    struct dealing d = {.run = run, .end = own_is_out ? run->target_count : find_own(q, run)};
    text_copy(o->waves, sizeof o->waves, q->waves ? q->waves : "");
    text_copy(o->order_by, sizeof o->order_by, q->order ? q->order : "");
    if (o->batch_percent) {
        struct share share = {.number = o->batch_percent, .percent = true};
        uint32_t batch = share_of(share, count_servers(run));
        o->batch = batch ? batch : 1;
    }
    if (o->canary) {
        deal(&d, o->canary);
    }
    if (o->waves[0]) {
        text_split(o->waves, ',', deal_wave, &d);
    } else {
        d.last = (uint32_t)run->target_count;
    }
    while (d.at < d.end) {
        deal(&d, d.last);
    }
    if (d.end < run->target_count) {
        d.wave =
            run->targets[d.end - 1].wave + 1; /* the waves asked for may be more than it took */
        d.end = run->target_count;
        deal(&d, 1);
    }
}

/* ---- in sentences ---- */

static uint32_t smallest(const struct rollout_options *o, uint32_t max_out)
{
    uint32_t least = o->batch < max_out ? o->batch : max_out;
    return o->max_unavailable && o->max_unavailable < least ? o->max_unavailable : least;
}

static void say_width(const struct rollout *run, uint32_t max_out,
                      void (*each)(void *arg, const char *sentence), void *arg)
{
    const struct rollout_options *o = &run->options;
    char text[ROLLOUT_STEP_MAX], batch[SHARE_TEXT_MAX + 24] = "", unavailable[48] = "";
    char all[64] = "";
    if (o->batch_percent) {
        text_format(batch, sizeof batch, " (%u%% of %zu)", o->batch_percent, count_servers(run));
    }
    if (o->max_unavailable) {
        text_format(unavailable, sizeof unavailable, ", max-unavailable %u", o->max_unavailable);
    }
    bool restores = rollout_action_restores(run->action);
    uint32_t width = restores ? o->batch : smallest(o, max_out);
    if (width > count_servers(run)) {
        text_format(all, sizeof all, "%zu, as many as there are; no more than ",
                    count_servers(run));
    }
    if (restores) {
        text_format(text, sizeof text,
                    "at once: %s%u, the batch%s; this action takes no capacity away", all, width,
                    batch);
    } else {
        text_format(text, sizeof text,
                    "at once: %s%u, the smallest of batch %u%s%s and the budget of %u (only the "
                    "configuration raises that)",
                    all, width, o->batch, batch, unavailable, max_out);
    }
    each(arg, text);
    if (run->action == ROLLOUT_SERVICE_RECOVER && o->batch > smallest(o, max_out)) {
        text_format(text, sizeof text,
                    "what its agent says is down costs no budget: of those %u at once", o->batch);
        each(arg, text);
    }
    if (o->order_by[0]) {
        text_format(text, sizeof text, "by %s: never servers of two at once", o->order_by);
        each(arg, text);
    }
}

static void say_between(const struct rollout *run, void (*each)(void *arg, const char *sentence),
                        void *arg)
{
    const struct rollout_options *o = &run->options;
    char text[ROLLOUT_STEP_MAX], span[TEXT_DURATION_MAX];
    if (o->pause_after_canary) {
        each(arg, "after the canary: pauses until `farmhand run resume`");
    }
    if (o->bake_ms) {
        text_format(text, sizeof text, "between waves: %s of baking",
                    text_format_duration(span, o->bake_ms));
        each(arg, text);
    }
}

/* Is the last wave that of the coordinator's own server? */
static bool ends_with_own(const struct rollout *run, const char *own)
{
    size_t at = run->target_count - 1;
    while (at > 0 && run->targets[at - 1].wave == run->targets[at].wave) {
        at--;
    }
    return own && text_equal_nocase(run->targets[at].server, own);
}

void plan_order(const struct rollout *run, const char *own_server, uint32_t max_out,
                void (*each)(void *arg, const char *sentence), void *arg)
{
    struct text text = {0};
    uint32_t waves = rollout_wave_count(run);
    say_width(run, max_out, each, arg);
    if (waves == 1) {
        return;
    }
    text_addf(&text, "%u waves, each waits for the end of the one before:", waves);
    size_t at = 0;
    for (uint32_t w = 0; w < waves && w < WAVES_MAX; w++) {
        size_t servers = 0;
        for (; at < run->target_count && run->targets[at].wave == w; at++) {
            servers += at == 0 || !same_server(run, at, at - 1);
        }
        text_addf(&text, "%s %zu%s", w ? "," : "", servers,
                  w == 0 && run->options.canary ? " (canary)" : "");
    }
    text_add(&text, waves > WAVES_MAX ? ", and so on" : "");
    if (ends_with_own(run, own_server)) {
        text_addf(&text, "; the last is %.100s, where the coordinator runs", own_server);
    }
    each(arg, text_get(&text));
    text_reset(&text);
    say_between(run, each, arg);
}

void order_warn(const struct rollout *run, void (*each)(void *arg, const char *sentence), void *arg)
{
    const struct rollout_options *o = &run->options;
    char text[ROLLOUT_STEP_MAX];
    size_t servers = count_servers(run);
    if (o->canary >= servers) {
        text_format(text, sizeof text, "--canary %u takes all there are (%zu): %s comes after it%s",
                    o->canary, servers,
                    rollout_wave_count(run) > 1 ? "nothing but the coordinator's own server"
                                                : "nothing",
                    o->pause_after_canary && rollout_wave_count(run) == 1
                        ? "; nor is there anything to pause for"
                        : "");
        each(arg, text);
    } else if (o->waves[0] && rollout_wave_count(run) == 1) {
        text_format(text, sizeof text,
                    "--waves %s: the first takes all there are (%zu), so there is one wave%s",
                    o->waves, servers, o->bake_ms ? ", and nothing to bake between" : "");
        each(arg, text);
    }
}

void plan_hours(const struct rollout *run, const struct windows *windows, int64_t wall_ms,
                void (*each)(void *arg, const char *sentence), void *arg)
{
    char text[ROLLOUT_STEP_MAX], why[ROLLOUT_STEP_MAX];
    if (rollout_action_restores(run->action)) {
        return;
    }
    if (run->options.window[0]) {
        text_format(text, sizeof text,
                    "only in the window %s; at its end it pauses, and goes on in the next",
                    run->options.window);
        each(arg, text);
    }
    if (windows_closed(windows, run->options.window, wall_ms, why, sizeof why)) {
        text_format(text, sizeof text, "it would wait now: %.400s", why);
        each(arg, text);
    }
}
