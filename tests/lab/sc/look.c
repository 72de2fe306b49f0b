/* look.c - the lab's own desk: faults, truth, counters, events. */
#include "tests/lab/sc/verbs.h"

#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/line.h"
#include "tests/lab/base/settings.h"
#include "tests/lab/base/truth.h"

#include "common/os.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS        10000
#define EVENTS_MAX_BYTES (64u << 20)

static int failed(const struct error *err)
{
    fprintf(stderr, "lab-sc: %s\n", err->text);
    return err->code == ERR_INVALID ? 2 : 1;
}

static int print(json_t *o)
{
    json_dumpf(o, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    printf("\n");
    json_decref(o);
    return 0;
}

static int list_faults(const struct verb_context *c)
{
    struct error err = {0};
    struct settings *s = settings_open(c->dir, &err);
    if (!s)
        return failed(&err);
    json_t *list = fault_list(s);
    settings_close(s);
    return print(list);
}

int verb_fault(const struct verb_context *c)
{
    struct error err = {0};
    uint64_t seconds = 0;
    if (c->argc < 2)
        return list_faults(c);
    const char *word = c->argc > 2 && c->argv[2][0] != '-' ? c->argv[2] : "on";
    bool off = strcmp(word, "off") == 0;
    if (!off && strcmp(word, "on") != 0 && !text_parse_u64(word, 1, 86400 * 365, &seconds)) {
        fprintf(stderr, "lab-sc: fault NAME [on|off|SECONDS] [--scope S] [--value V], not %s\n",
                word);
        return 2;
    }
    if (fault_switch(c->dir, c->argv[1], verb_option(c, "--scope"), verb_option(c, "--value"), !off,
                     seconds, &err) != ERR_NONE)
        return failed(&err);
    return 0;
}

int verb_truth(const struct verb_context *c)
{
    struct error err = {0};
    struct settings *s = settings_open(c->dir, &err);
    if (!s)
        return failed(&err);
    const char *name = settings_get(s, "server", NULL, "name");
    bool with_log = c->argc > 1 && strcmp(c->argv[1], "--log") == 0;
    json_t *whole = truth_sum(c->dir, name ? name : strrchr(c->dir, '/') + 1, with_log, &err);
    settings_close(s);
    return whole ? print(whole) : failed(&err);
}

int verb_counters(const struct verb_context *c)
{
    char path[LAB_PATH_MAX + 32];
    struct error err = {0};
    snprintf(path, sizeof path, "%s/inetsrv/was.sock", c->dir);
    json_t *o = line_call(path, json_pack("{s:s}", "op", "state"), ANSWER_MS, &err);
    return o ? print(o) : failed(&err);
}

int verb_events(const struct verb_context *c)
{
    char path[LAB_PATH_MAX + 32], *text = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, "%s/events.jsonl", c->dir);
    if (os_read_file(path, EVENTS_MAX_BYTES, &text, &len, NULL) == ERR_NONE)
        fwrite(text, 1, len, stdout);
    free(text);
    return 0;
}
