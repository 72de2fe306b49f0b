/* script.h - small histories in which one thing happens, without other trouble: what somebody does
 * while a run is in hand, or one trouble of a kind. In each of them a process can be made to die
 * once, at every step that it takes (sim --exhaustive).
 *
 * A script is a list of steps. Each has a claim about the world that makes it over, and what is
 * asked until then, again and again: what was asked of a process as it died may be lost, or not.
 */
#ifndef FARMHAND_TESTS_SIM_SCRIPT_H
#define FARMHAND_TESTS_SIM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;
struct script;

const struct script *script_find(const char *name); /* NULL: there is none */
const struct script *script_at(size_t index);       /* NULL: that was the last */
const char *script_name(const struct script *script);
const char *script_about(const struct script *script); /* half a line */
bool script_is_apart(const struct script *script);     /* see world_options.apart; NULL: no */

struct script_state {
    size_t step;
    uint64_t begun_ms, asked_ms; /* of that step; asked 0: not yet */
    uint32_t saw;                /* enum script_sight (script.c) */
    uint64_t crashes;            /* of the first coordinator, as somebody last said takeover */
};

/* Plays options.script; people (people.c) begin when it is over, and mend what is left. */
void script_begin(struct world *w);

#endif
