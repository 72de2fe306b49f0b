/* doctor.c - see doctor.h: facts, lines, and the order of the judgements. */
#include "agent/doctor.h"

#include "common/must.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdlib.h>

void doctor_facts_add(struct doctor_facts *facts, const char *pool, const char *key,
                      const char *value)
{
    facts->items = must_realloc(facts->items, facts->count + 1, sizeof(*facts->items));
    facts->items[facts->count++] =
        (struct doctor_fact){must_copy(pool), must_copy(key), must_copy(value)};
}

void doctor_facts_reset(struct doctor_facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        free(facts->items[i].pool);
        free(facts->items[i].key);
        free(facts->items[i].value);
    }
    free(facts->items);
    *facts = (struct doctor_facts){0};
}

const char *doctor_fact(const struct doctor_facts *facts, const char *pool, const char *key)
{
    for (size_t i = 0; i < facts->count; i++)
        if (text_equal(facts->items[i].pool, pool) && text_equal_nocase(facts->items[i].key, key))
            return facts->items[i].value;
    return NULL;
}

bool doctor_fact_is(const struct doctor_facts *facts, const char *pool, const char *key,
                    const char *value)
{
    const char *found = doctor_fact(facts, pool, key);
    return found && text_equal_nocase(found, value);
}

void doctor_report_reset(struct doctor_report *report)
{
    free(report->items);
    *report = (struct doctor_report){0};
}

void doctor_say(struct doctor_report *report, enum doctor_level level, const char *check,
                const char *pool, const char *advice, const char *fmt, ...)
{
    struct text text = {0};
    va_list args;
    va_start(args, fmt);
    text_vaddf(&text, fmt, args);
    va_end(args);
    report->items = must_realloc(report->items, report->count + 1, sizeof(*report->items));
    struct doctor_line *line = &report->items[report->count++];
    *line = (struct doctor_line){.level = level, .check = check, .advice = advice};
    text_copy(line->pool, sizeof(line->pool), pool);
    wire_clean_text(line->text, sizeof(line->text), text_get(&text));
    text_reset(&text);
}

/* A pool is known by its state; each once, in the order of the facts. */
void doctor_judge(const struct doctor_facts *facts, struct doctor_report *out)
{
    doctor_judge_server(facts, out);
    for (size_t i = 0; i < facts->count; i++) {
        const struct doctor_fact *fact = &facts->items[i];
        if (fact->pool[0] != '\0' && text_equal(fact->key, "state"))
            doctor_judge_pool(facts, fact->pool, out);
    }
}

int doctor_exit_code(const struct doctor_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->items[i].level == DOCTOR_FAIL)
            return 1;
    return 0;
}

const char *doctor_level_name(enum doctor_level level)
{
    switch (level) {
    case DOCTOR_INFO:
        return "info";
    case DOCTOR_OK:
        return "ok";
    case DOCTOR_WARN:
        return "warn";
    case DOCTOR_FAIL:
        return "fail";
    }
    return "?";
}
