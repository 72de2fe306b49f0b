/* doctor_print.c - see doctor_run.h: what doctor says, as text and as JSON. */
#include "agent/doctor_run.h"

#include <jansson.h>
#include <stdlib.h>

static const char *answer_of(const struct doctor_facts *facts, const struct doctor_question *q)
{
    return q->key ? doctor_fact(facts, "", q->key) : NULL;
}

static void print_line(const struct doctor_line *line, struct text *out)
{
    text_addf(out, "%-4s  %s%s%s%s\n", doctor_level_name(line->level), line->pool[0] ? "pool " : "",
              line->pool, line->pool[0] ? ": " : "", line->text);
    if (line->advice[0] != '\0')
        text_addf(out, "      -> %s\n", line->advice);
}

static size_t count_level(const struct doctor_report *report, enum doctor_level level)
{
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += report->items[i].level == level;
    return count;
}

void doctor_print_text(const struct doctor_facts *facts, const struct doctor_report *report,
                       struct text *out)
{
    for (size_t i = 0; i < report->count; i++)
        print_line(&report->items[i], out);
    text_add(out, "\nWhat no source settled about IIS, and what this server answers:\n");
    for (const struct doctor_question *q = doctor_questions; q->what; q++) {
        const char *answer = answer_of(facts, q);
        text_addf(out, "  %s\n      %s%s%s\n", q->what, answer ? answer : "to be confirmed",
                  !answer && q->how[0] ? ": " : "", answer ? "" : q->how);
    }
    text_addf(out, "\n%zu ok, %zu to look at, %zu failed\n", count_level(report, DOCTOR_OK),
              count_level(report, DOCTOR_WARN), count_level(report, DOCTOR_FAIL));
}

static json_t *text_json(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *lines_json(const struct doctor_report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->count; i++) {
        const struct doctor_line *line = &report->items[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s, s:o}", "check", line->check,
                                              "level", doctor_level_name(line->level), "pool",
                                              text_json(line->pool[0] ? line->pool : NULL), "text",
                                              line->text, "advice",
                                              text_json(line->advice[0] ? line->advice : NULL)));
    }
    return list;
}

static json_t *questions_json(const struct doctor_facts *facts)
{
    json_t *list = json_array();
    for (const struct doctor_question *q = doctor_questions; q->what; q++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "question", q->what, "answer",
                                              text_json(answer_of(facts, q)), "how", q->how));
    return list;
}

void doctor_print_json(const struct doctor_facts *facts, const struct doctor_report *report,
                       struct text *out)
{
    json_t *all = json_pack("{s:s, s:b, s:o, s:o}", "version", FARMHAND_VERSION, "ok",
                            doctor_exit_code(report) == 0, "checks", lines_json(report),
                            "unverified", questions_json(facts));
    char *text = json_dumps(all, JSON_INDENT(2));
    text_addf(out, "%s\n", text ? text : "{}");
    free(text);
    json_decref(all);
}
