#include "tests/lab/sc/scm.h"

#include "tests/lab/base/words.h"

#include "common/os.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct service *database_find(struct scm *scm, const char *name)
{
    for (size_t i = 0; i < scm->service_count; i++) {
        if (text_equal_nocase(scm->services[i].name, name))
            return &scm->services[i];
    }
    return NULL;
}

static const char *const WORDS[] = {NULL, NULL, "auto", "demand", "disabled"};

bool start_type_parse(const char *word, enum start_type *out)
{
    for (int i = START_AUTO; i <= START_DISABLED; i++) {
        if (text_equal_nocase(word, WORDS[i])) {
            *out = (enum start_type)i;
            return true;
        }
    }
    return false;
}

const char *start_type_name(enum start_type type)
{
    switch (type) {
    case START_AUTO:
        return "AUTO_START";
    case START_DEMAND:
        return "DEMAND_START";
    case START_DISABLED:
        return "DISABLED";
    }
    return "?";
}

static struct service *add(struct scm *scm, const char *name, const char *display, const char *host,
                           const char *depends)
{
    struct service *s = &scm->services[scm->service_count++];
    char list[256], *rest = list, *one;
    *s = (struct service){.start_type = START_AUTO, .state = SVC_STOPPED};
    text_copy(s->name, sizeof s->name, name);
    text_copy(s->display, sizeof s->display, display);
    text_copy(s->host_name, sizeof s->host_name, host);
    text_copy(list, sizeof list, depends);
    while ((one = words_next(&rest, " ,")) && s->depend_count < SCM_DEPENDS) {
        if (*one)
            text_copy(s->depends[s->depend_count++], SCM_NAME, one);
    }
    return s;
}

struct reading {
    struct scm *scm;
    struct error *err;
};

/* [service NAME]: a new one, or another start type for one that is built in. */
static void configured(const char *name, void *arg)
{
    struct reading *r = arg;
    const struct settings *set = r->scm->settings;
    const char *start = settings_get(set, "service", name, "start");
    const char *depends = settings_get(set, "service", name, "depends");
    const char *host = settings_get(set, "service", name, "host");
    struct service *s = database_find(r->scm, name);
    if (!s && r->scm->service_count == SCM_SERVICES) {
        error_set(r->err, ERR_FULL, "lab.conf: more than %d services", SCM_SERVICES);
        return;
    }
    if (!s)
        s = add(r->scm, name, name, !host || text_equal(host, "own") ? name : host,
                depends ? depends : "");
    if (start && !start_type_parse(start, &s->start_type))
        error_set(r->err, ERR_INVALID,
                  "lab.conf: [service %s] start = %s: auto, demand or disabled", name, start);
}

static void saved(struct scm *scm)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/services.json", scm->dir);
    json_t *all = line_load(path), *word;
    const char *name;
    json_object_foreach(all, name, word)
    {
        struct service *s = database_find(scm, name);
        if (s && json_is_string(word))
            start_type_parse(json_string_value(word), &s->start_type);
    }
    json_decref(all);
}

bool database_open(struct scm *scm, struct error *err)
{
    struct error wrong = {0};
    struct reading r = {scm, &wrong};
    add(scm, "HTTP", "HTTP Service", "", "")->start_type = START_DEMAND;
    add(scm, "WAS", "Windows Process Activation Service", "iissvcs", "")->start_type = START_DEMAND;
    add(scm, "W3SVC", "World Wide Web Publishing Service", "iissvcs", "HTTP WAS");
    settings_each(scm->settings, "service", configured, &r);
    saved(scm);
    if (wrong.code && err)
        *err = wrong;
    return wrong.code == ERR_NONE;
}

bool database_save_type(struct scm *scm, struct service *s, enum start_type type, struct error *err)
{
    char path[LAB_PATH_MAX + 32];
    s->start_type = type;
    json_t *all = json_object();
    for (size_t i = 0; i < scm->service_count; i++)
        json_object_set_new(all, scm->services[i].name,
                            json_string(WORDS[scm->services[i].start_type]));
    char *text = json_dumps(all, JSON_INDENT(1));
    json_decref(all);
    snprintf(path, sizeof path, "%s/services.json", scm->dir);
    enum error_code code = os_write_file(path, text, strlen(text), 0644, err);
    free(text);
    return code == ERR_NONE;
}
