/* recipe_internal.h - what recipes.c, recipe_order.c and recipe_watch.c share; nobody else includes
 * it. */
#ifndef FARMHAND_AGENT_RECIPE_INTERNAL_H
#define FARMHAND_AGENT_RECIPE_INTERNAL_H

#include "common/format.h"
#include "agent/recipes.h"

enum recipe_step {
    RECIPE_STEP_LOOK,
    RECIPE_STEP_BEGIN,
    RECIPE_STEP_AUTOSTART,
    RECIPE_STEP_ACT,
    RECIPE_STEP_RELOOK,
    RECIPE_STEP_WATCH,
    RECIPE_STEP_PROBE,
    RECIPE_STEP_CONFIRM,
    RECIPE_STEP_END,
};

/* When the two ways of watching are due, in ms of now. */
struct recipe_pace {
    uint64_t beat_at, beat_gap;
    uint64_t look_at, look_gap;
};

struct recipe {
    struct recovery *recovery; /* of services: then the rest is not used */
    struct setting *setting;   /* SET: the same */
    struct record *record;
    struct recipe_limits limits;
    enum recipe_step step;
    bool resumed;
    uint64_t since_ms;
    uint64_t retry_at_ms; /* not called again before */
    unsigned tries;       /* of the step in hand */
    uint64_t deadline_ms; /* of the whole act, once it began */
    struct pool pool;     /* as last looked at; its name is the record's */
    bool shared_config;
    enum call_kind act; /* CALL_NONE: nothing to order, the proof alone */
    bool set_autostart;
    bool relooked;
    bool already;     /* nothing had to be done; only the probe is wanted */
    bool act_unknown; /* the order's answer did not tell whether it was carried out */
    bool read_failed; /* the last reading of the watch gave nothing */
    char trouble[WIRE_TEXT_MAX / 2];
    size_t expected;  /* new workers that must exist */
    size_t newcomers; /* most new workers seen at once */
    uint64_t acted_ms;
    uint64_t empty_since_ms; /* 0: the pool has a worker */
    bool probe_wanted;
    uint64_t probe_until_ms; /* 0: not probed yet */
    uint32_t verdict;        /* the event that says why WAS stopped the pool; 0: none was seen */
    uint64_t no_word_ms;     /* since when it is Stopped and no event says why; 0: it is not */
    struct recipe_pace pace;
    char text[96];
};

void recipe_enter(struct recipe *r, enum recipe_step step, uint64_t now_ms);
void recipe_finish(struct recipe *r, uint64_t now_ms, enum outcome outcome, enum cause cause,
                   const char *fmt, ...) FORMAT_PRINTF(5, 6);
/* Takes the pool's row; false: the view does not hold what a decision needs. */
bool recipe_take_view(struct recipe *r, const struct driver_view *view);
/* Keeps what a failed call said. */
void recipe_note(struct recipe *r, const struct call_result *result);

/* recipe_order.c */
void recipe_look_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms);
void recipe_autostart_on_result(struct recipe *r, const struct call_result *result,
                                uint64_t now_ms);
void recipe_act_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms);
void recipe_relook_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms);
void recipe_set_deadline(struct recipe *r, uint64_t now_ms); /* once the recipe began */

/* recipe_watch.c */
void recipe_watch_enter(struct recipe *r, uint64_t now_ms);
struct recipe_next recipe_watch_next(struct recipe *r, uint64_t now_ms);
void recipe_watch_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms);
void recipe_probe_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms);
void recipe_confirm_on_result(struct recipe *r, const struct call_result *result, uint64_t now_ms);

#endif
