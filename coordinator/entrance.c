/* entrance.c - see entrance.h. */
#include "coordinator/entrance.h"

#include "common/log.h"
#include "common/must.h"
#include "common/text.h"
#include "proto/pem.h"

#include <stdlib.h>
#include <string.h>

#define LABELS_MAX     32
#define RETRY_MS       (60 * 60 * 1000LL) /* after the coordinator's own could not be renewed */
#define TOO_SOON_MS    (60 * 1000LL)      /* between two words on those who ask too often */
#define PATH_BYTES_MAX 512

/* Labels that came with a token: lent to the brain for good. */
struct labels {
    struct labels *next;
    char text[MEMBER_LABELS_MAX]; /* cut at its signs */
    struct selector_label items[LABELS_MAX];
    size_t count;
};

struct entrance {
    struct entrance_spec spec;
    struct ca *ca;
    struct members *members;
    struct enrol *enrol;
    struct operators *operators;
    struct labels *labels;
    int64_t own_failed_ms; /* 0: it did not fail */
    int64_t too_soon_ms;   /* when somebody was last told about who asks too often; 0: never */
};

/* ---- labels ---- */

/* "farm=web,zone=a" becomes keys and values, where it stands. */
static struct labels *labels_new(const char *text)
{
    struct labels *l = must_alloc(1, sizeof(*l));
    text_copy(l->text, sizeof(l->text), text);
    for (char *key = l->text; *key && l->count < LABELS_MAX;) {
        char *end = key + strcspn(key, ","), *sign = strchr(key, '=');
        bool last = *end == '\0';
        *end = '\0';
        if (sign && sign < end) {
            *sign = '\0';
            l->items[l->count++] = (struct selector_label){.key = key, .value = sign + 1};
        }
        key = last ? end : end + 1;
    }
    return l;
}

/* What coordinator.conf says of a server goes before what its token said. */
static bool is_labelled(const struct settings *set, const char *name)
{
    for (size_t i = 0; i < set->server_count; i++)
        if (text_equal_nocase(set->servers[i].name, name) && set->servers[i].label_count > 0)
            return true;
    return false;
}

static void on_joined(void *ctx, const struct member *m)
{
    struct entrance *e = ctx;
    if (is_labelled(e->spec.settings, m->name))
        return;
    struct labels *l = labels_new(m->labels);
    l->next = e->labels;
    e->labels = l;
    coordinator_declare_server(e->spec.brain, m->name, l->items, l->count);
}

/* ---- wiring ---- */

static bool on_admit(void *arg, const struct link_cert *cert)
{
    return members_admit(arg, cert->name, cert->issued_wall_ms);
}

static void on_event(void *ctx, const struct event *event)
{
    struct entrance *e = ctx;
    e->spec.event(e->spec.ctx, event);
}

static void on_cut(void *ctx, const char *name)
{
    struct entrance *e = ctx;
    e->spec.cut(e->spec.ctx, name);
}

static enum error_code open_enrol(struct entrance *e, struct error *err)
{
    const struct enrol_spec spec = {.store = e->spec.store,
                                    .ca = e->ca,
                                    .members = e->members,
                                    .life_ms = e->spec.settings->certificate_life_ms,
                                    .ctx = e,
                                    .event = on_event,
                                    .joined = on_joined,
                                    .cut = on_cut};
    const struct operators_spec people = {
        .store = e->spec.store, .ca = e->ca, .ctx = e, .event = on_event};
    enum error_code code = enrol_open(&spec, &e->enrol, err);
    return code ? code : operators_open(&people, &e->operators, err);
}

enum error_code entrance_open(const struct entrance_spec *spec, struct entrance **out,
                              struct error *err)
{
    char dir[PATH_BYTES_MAX];
    if (!text_format(dir, sizeof(dir), "%s/tls", spec->settings->data_dir))
        return error_set(err, ERR_INVALID, "data_dir: the path is too long");
    struct entrance *e = must_alloc(1, sizeof(*e));
    e->spec = *spec;
    e->members = members_new();
    enum error_code code =
        ca_open(dir, spec->settings->own_certificate_life_ms, spec->wall_ms, &e->ca, err);
    code = code ? code : open_enrol(e, err);
    if (code)
        entrance_close(e);
    else
        *out = e;
    return code;
}

void entrance_close(struct entrance *e)
{
    if (!e)
        return;
    operators_close(e->operators);
    enrol_close(e->enrol);
    members_free(e->members);
    ca_close(e->ca);
    while (e->labels) {
        struct labels *l = e->labels;
        e->labels = l->next;
        free(l);
    }
    free(e);
}

struct enrol *entrance_enrol(struct entrance *e)
{
    return e->enrol;
}

struct operators *entrance_operators(struct entrance *e)
{
    return e->operators;
}

const struct ca *entrance_ca(const struct entrance *e)
{
    return e->ca;
}

struct link_tls entrance_tls(const struct entrance *e)
{
    return (struct link_tls){.ca_pem = ca_pem(e->ca),
                             .chain_pem = ca_chain_pem(e->ca),
                             .key_pem = ca_key_pem(e->ca),
                             .admit = on_admit,
                             .arg = e->members};
}

bool entrance_has(const struct entrance *e, const char *name)
{
    return members_has(e->members, name);
}

bool entrance_on_time(struct entrance *e, int64_t wall_ms)
{
    struct error err = {0};
    bool renewed = false;
    char until[TEXT_TIME_MAX];
    if (e->own_failed_ms && wall_ms >= e->own_failed_ms && wall_ms - e->own_failed_ms < RETRY_MS)
        return false;
    e->own_failed_ms = 0;
    if (ca_renew_own(e->ca, wall_ms, &renewed, &err) != ERR_NONE) {
        e->own_failed_ms = wall_ms;
        log_error("own_certificate_not_renewed", LOG_TEXT("error", err.text),
                  LOG_TEXT("until", text_format_time(until, ca_own_until_ms(e->ca))));
    } else if (renewed) {
        log_info("own_certificate_renewed",
                 LOG_TEXT("until", text_format_time(until, ca_own_until_ms(e->ca))));
    }
    return renewed;
}

/* Whoever asks a hundred times a second fills no log by it. */
static void note_renewal(struct entrance *e, const char *server, enum error_code code,
                         const struct error *err, int64_t wall_ms)
{
    if (code == ERR_BUSY) {
        if (wall_ms >= e->too_soon_ms && wall_ms - e->too_soon_ms < TOO_SOON_MS)
            return;
        e->too_soon_ms = wall_ms;
    }
    log_event(code ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "certificate_renewed",
              LOG_TEXT("server", server), LOG_TEXT("error", err->text));
}

void entrance_renew(struct entrance *e, const struct agent_message *m, int64_t wall_ms,
                    void (*reply)(void *arg, const struct coordinator_message *answer), void *arg)
{
    struct error err = {0};
    struct text request = {0}, inside = {0};
    struct ca_issued issued = {0};
    struct coordinator_message answer = {.version = WIRE_VERSION,
                                         .fence = coordinator_fence(e->spec.brain),
                                         .kind = COORDINATOR_ACK,
                                         .seq = m->seq,
                                         .detail = ""};
    pem_add(&request, PEM_REQUEST, m->renew.request);
    enum error_code code =
        enrol_renew(e->enrol, m->agent, text_get(&request), wall_ms, &issued, &err);
    if (code == ERR_NONE && pem_inside(issued.pem, PEM_CERTIFICATE, 0, &inside)) {
        answer.kind = COORDINATOR_CERTIFICATE;
        answer.certificate = text_get(&inside);
    }
    note_renewal(e, m->agent, code, &err, wall_ms);
    reply(arg, &answer);
    text_reset(&request);
    text_reset(&inside);
    free(issued.pem);
}
