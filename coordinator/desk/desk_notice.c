/* desk_notice.c - who is told of runs and incidents, and how that goes. See desk.h. */
#include "coordinator/desk/desk_internal.h"

#include "common/text.h"

#include <string.h>

static json_t *kinds_of(uint32_t kinds)
{
    json_t *list = json_array();
    for (int kind = 1; kind < NOTICE_KIND_COUNT; kind++)
        if (kinds & 1u << kind)
            json_array_append_new(list, json_string(notice_kind_name((enum notice_kind)kind)));
    return list;
}

/* The url without what may be a secret in it: a hook's path often is its password. */
static json_t *where(const struct notifier_target *t)
{
    if (!t->url)
        return json_string(t->argv[0]);
    const char *host = strstr(t->url, "://");
    size_t len = host ? (size_t)(host - t->url) + 3 + strcspn(host + 3, "/?#") : strlen(t->url);
    const char *at = host ? memchr(host + 3, '@', len - (size_t)(host + 3 - t->url)) : NULL;
    return at ? json_string(at + 1) : json_stringn(t->url, len);
}

static json_t *view_notice(const struct asking *a, size_t i)
{
    const struct notices_target *t = notices_target_at(a->desk->notices, i);
    const struct notice_queue *q = notices_queue_at(a->desk->notices, i);
    return json_pack("{s:s, s:s, s:o, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:s}", "name",
                     t->notifier.name, "by", t->notifier.url ? "url" : "command", "to",
                     where(&t->notifier), "signed", t->notifier.secret_file != NULL, "on",
                     kinds_of(t->kinds), "waiting", (json_int_t)q->count, "delivered",
                     (json_int_t)q->delivered, "given_up", (json_int_t)q->given_up,
                     "last_delivered", (json_int_t)q->last_delivered, "last_failed",
                     (json_int_t)q->last_failed, "delivered_at", view_time(q->delivered_wall_ms),
                     "failed_at", view_time(q->failed_wall_ms), "trouble", q->trouble);
}

json_t *desk_notices(const struct asking *a)
{
    json_t *list = json_array();
    for (size_t i = 0; i < notices_count(a->desk->notices); i++)
        json_array_append_new(list, view_notice(a, i));
    return list;
}

void desk_get_notices(struct asking *a)
{
    if (desk_no_args(a))
        desk_answer(a, 200, json_pack("{s:o}", "notices", desk_notices(a)));
}

void desk_test_notice(struct asking *a)
{
    struct error err;
    uint64_t id;
    if (!desk_no_args(a))
        return;
    if (notices_test(a->desk->notices, a->name, a->request->actor, a->view.now_ms, a->view.wall_ms,
                     &id, &err) != ERR_NONE)
        desk_refuse(a, &err);
    else
        desk_answer(a, 202, json_pack("{s:I}", "id", (json_int_t)id));
}
