/* lessons.h - what other tools do badly, and some bad luck, each as a history of its own, named
 * after what it guards against. A lesson says who asks what and what breaks; messages get lost and
 * late as the seed says; the oracles judge it like any history, and the lesson judges how it went.
 */
#ifndef FARMHAND_TESTS_SIM_LESSONS_H
#define FARMHAND_TESTS_SIM_LESSONS_H

#include <stdbool.h>
#include <stddef.h>

struct world;
struct lesson;

#define LESSONS_COUNT 11

const struct lesson *lesson_at(size_t index);
const struct lesson *lesson_find(const char *name); /* NULL: there is none */
const char *lesson_name(const struct lesson *l);
size_t lesson_servers(const struct lesson *l);
/* In place of people, others and faults. */
void lesson_begin(struct world *w);

#endif
