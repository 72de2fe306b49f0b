/* ask_win32.c - the services as Windows' own manager has them, for sc's verbs; in the words of
 * control.sock (LAB.md). */
#include "tests/lab/sc/scm.h"
#include "tests/lab/sc/verbs.h"

#include "common/clock.h"
#include "common/text.h"
#include "tests/lab/base/winsvc.h"
#include "tests/lab/base/words.h"

#include <string.h>

#define LIST_MAX 1024
#define START_MS 30000
#define POLL_MS  20

static json_t *dependents(const struct scm *scm, const char *name)
{
    json_t *list = json_array();
    for (size_t i = 0; i < scm->service_count; i++) {
        const struct service *s = &scm->services[i];
        for (size_t k = 0; k < s->depend_count; k++) {
            if (text_equal_nocase(s->depends[k], name))
                json_array_append_new(list, json_string(s->name));
        }
    }
    return list;
}

static json_t *depends(const char *name)
{
    char text[LIST_MAX], *rest = text, *one;
    json_t *list = json_array();
    winsvc_depends(name, text, sizeof text);
    while ((one = words_next(&rest, " "))) {
        if (*one)
            json_array_append_new(list, json_string(one));
    }
    return list;
}

static json_t *row_json(const struct scm *scm, const struct service *s,
                        const struct winsvc_row *row)
{
    return json_pack("{s:s,s:s,s:i,s:s,s:I,s:I,s:i,s:i,s:i,s:i,s:s,s:b,s:b,s:o,s:o}", "name",
                     s->name, "display", s->display, "state", (int)row->state, "state_name",
                     hosted_state_name((enum service_state)row->state), "pid", (json_int_t)row->pid,
                     "created", (json_int_t)(row->pid ? lab_os_created(row->pid) : 0), "checkpoint",
                     (int)row->checkpoint, "wait_hint_ms", (int)row->wait_hint_ms, "exit_code",
                     (int)row->exit_code, "start_type", (int)row->start_type, "start_name",
                     start_type_name((enum start_type)row->start_type), "accepts_stop",
                     row->accepts_stop, "shares_process", strcmp(s->host_name, "iissvcs") == 0,
                     "depends", depends(s->name), "dependents", dependents(scm, s->name));
}

static void add(const struct scm *scm, const struct service *s, json_t *list)
{
    struct winsvc_row row;
    if (winsvc_query(s->name, &row) == 0)
        json_array_append_new(list, row_json(scm, s, &row));
}

/* What it depends on is started by its process, after the manager has called the start begun. */
static unsigned start(const struct service *s)
{
    struct winsvc_row row;
    unsigned code = winsvc_start(s->name);
    for (uint64_t begun = clock_boot_ms(); !code && clock_boot_ms() - begun < START_MS;) {
        if (winsvc_query(s->name, &row) || row.state != SVC_START_PENDING)
            break;
        if (row.checkpoint > 1 || row.wait_hint_ms == 0)
            break;
        lab_os_sleep_ms(POLL_MS);
    }
    return code;
}

static unsigned set_type(struct scm *scm, struct service *s, const char *word)
{
    enum start_type type;
    if (!word || !start_type_parse(word, &type))
        return WIN32_INVALID_PARAMETER;
    struct text depends = {0};
    for (size_t i = 0; i < s->depend_count; i++)
        text_addf(&depends, "%s%s", i ? " " : "", s->depends[i]);
    unsigned code = winsvc_set_start_type(s->name, text_get(&depends), type);
    text_reset(&depends);
    if (!code && !database_save_type(scm, s, type, NULL))
        code = WIN32_INVALID_DATA;
    if (!code)
        truth_write(scm->dir, "service_config",
                    json_pack("{s:s, s:s}", "service", s->name, "start", word));
    return code;
}

static unsigned act(struct scm *scm, struct service *s, const char *op, const json_t *request)
{
    if (strcmp(op, "query") == 0)
        return WIN32_OK;
    if (fault_on(scm->settings, "service-denied", s->name))
        return WIN32_ACCESS_DENIED;
    if (strcmp(op, "start") == 0)
        return start(s);
    if (strcmp(op, "stop") == 0)
        return winsvc_stop(s->name);
    if (strcmp(op, "config") == 0)
        return set_type(scm, s, json_string_value(json_object_get(request, "start")));
    return WIN32_INVALID_PARAMETER;
}

static unsigned answer_one(struct scm *scm, struct service *s, const char *op,
                           const json_t *request, json_t *list)
{
    if (strcmp(op, "enumdepend") != 0) {
        unsigned code = act(scm, s, op, request);
        add(scm, s, list);
        return code;
    }
    for (size_t i = 0; i < scm->service_count; i++) {
        const struct service *other = &scm->services[i];
        for (size_t k = 0; k < other->depend_count; k++) {
            if (text_equal_nocase(other->depends[k], s->name))
                add(scm, other, list);
        }
    }
    return WIN32_OK;
}

static unsigned answer(struct scm *scm, const json_t *request, json_t *list)
{
    const char *op = json_string_value(json_object_get(request, "op"));
    const char *name = json_string_value(json_object_get(request, "service"));
    struct service *s = name ? database_find(scm, name) : NULL;
    uint64_t code = 0;
    if (fault_number(scm->settings, "scm-error", op, 1055, &code))
        return (unsigned)code;
    if (s)
        return answer_one(scm, s, op, request, list);
    if (name || strcmp(op, "query") != 0)
        return name ? WIN32_NO_SUCH_SERVICE : WIN32_INVALID_PARAMETER;
    for (size_t i = 0; i < scm->service_count; i++)
        add(scm, &scm->services[i], list);
    return WIN32_OK;
}

json_t *services_ask(const char *dir, json_t *request, struct error *err)
{
    static struct scm scm;
    scm = (struct scm){.dir = dir, .settings = settings_open(dir, err)};
    json_t *list = json_array(), *o = NULL;
    if (scm.settings && database_open(&scm, err)) {
        unsigned code = answer(&scm, request, list);
        o = json_pack("{s:i, s:O}", "code", (int)code, "services", list);
        if (code)
            json_object_set_new(o, "message", json_string(win32_text(code)));
    }
    json_decref(list);
    json_decref(request);
    settings_close(scm.settings);
    return o;
}
