/* haproxy.c - HAProxy's words: commands out, tables in. The connection is in haproxy_socket.c. */
#include "coordinator/balancer/haproxy.h"

#include "common/must.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Bits of srv_admin_state (HAProxy, include/haproxy/server-t.h). Maintenance may be forced by a
 * person (0x01), inherited by tracking (0x02), from the configuration (0x04), for want of an
 * address (0x20, 0x40); drain may be forced (0x08) or inherited (0x10). */
#define ADMIN_MAINT 0x67
#define ADMIN_DRAIN 0x18

/* srv_op_state: 0 stopped, 1 starting (slow start), 2 running, 3 stopping: its check answers
 * "404, no new visitors", which for us is not up. */
#define OP_STARTING 1
#define OP_RUNNING  2
#define OP_MAX      3

#define WORD_MAX HAPROXY_NAME_MAX

const char *haproxy_state_word(enum balancer_admin state)
{
    switch (state) {
    case BALANCER_READY:
        return "ready";
    case BALANCER_DRAIN:
        return "drain";
    case BALANCER_MAINT:
        return "maint";
    }
    return "?";
}

bool haproxy_name_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len >= BALANCER_NAME_MAX)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("-_.:", *name))
            return false;
    return true;
}

static enum error_code check_names(const struct haproxy *h, const char *backend, const char *server,
                                   struct error *err)
{
    if (!haproxy_name_valid(backend))
        return error_set(err, ERR_INVALID,
                         "balancer %s: \"%s\" cannot be the name of a backend: 1 to %d letters, "
                         "digits, or -_.:",
                         h->name, backend, BALANCER_NAME_MAX - 1);
    if (server && !haproxy_name_valid(server))
        return error_set(err, ERR_INVALID,
                         "balancer %s: \"%s\" cannot be the name of a server in backend %s: 1 to "
                         "%d letters, digits, or -_.: - give the server its name there in "
                         "[backend %s]",
                         h->name, server, backend, BALANCER_NAME_MAX - 1, backend);
    return ERR_NONE;
}

/* The first line of what HAProxy said, safe to show. */
static void first_line(const char *answer, char out[WORD_MAX])
{
    size_t used = 0;
    while (*answer == '\n')
        answer++;
    for (; *answer && *answer != '\n' && used + 1 < WORD_MAX; answer++)
        out[used++] = isprint((unsigned char)*answer) ? *answer : '?';
    out[used] = '\0';
}

/* What HAProxy answered in place of what was asked for. */
static enum error_code refused(const char *answer, const char *backend, const char *server,
                               struct error *err)
{
    char line[WORD_MAX];
    first_line(answer, line);
    if (text_starts(line, "No such backend") || text_starts(line, "Can't find backend") ||
        text_starts(line, "No such proxy"))
        return error_set(err, ERR_NOT_FOUND,
                         "HAProxy has no backend \"%s\" (\"%s\"): compare the [backend] sections "
                         "with haproxy.cfg",
                         backend, line);
    if (text_starts(line, "No such server"))
        return error_set(
            err, ERR_NOT_FOUND,
            "backend %s has no server \"%s\" (\"%s\"): give its name there as \"renamed\" in "
            "[backend %s], or \"-\" if it does not stand there",
            backend, server ? server : "?", line, backend);
    if (text_starts(line, "Permission denied"))
        return error_set(err, ERR_DENIED,
                         "HAProxy refused (\"%s\"): its stats socket needs \"level admin\"", line);
    return error_set(err, ERR_CORRUPT, "unexpected answer about backend %s: \"%s\"", backend, line);
}

enum error_code haproxy_set(const struct haproxy *h, const char *backend, const char *server,
                            enum balancer_admin state, struct error *err)
{
    enum error_code code = check_names(h, backend, server, err);
    if (code != ERR_NONE)
        return code;
    struct text answer = {0};
    char command[2 * BALANCER_NAME_MAX + 64];
    text_format(command, sizeof(command), "set server %s/%s state %s", backend, server,
                haproxy_state_word(state));
    code = haproxy_exchange(h, command, &answer, err);
    if (code == ERR_NONE && !text_equal(text_get(&answer), "\n")) {
        code = refused(text_get(&answer), backend, server, err);
        error_wrap(err, "balancer %s", h->name);
    }
    text_reset(&answer);
    return code;
}

enum error_code haproxy_read(const struct haproxy *h, const char *backend,
                             struct haproxy_server **out, size_t *count, struct error *err)
{
    enum error_code code = check_names(h, backend, NULL, err);
    if (code != ERR_NONE)
        return code;
    struct text answer = {0};
    char command[2 * BALANCER_NAME_MAX + 64];
    /* 4: server lines only; -1: all of them. */
    text_format(command, sizeof(command), "show servers state %s;show stat %s 4 -1;show info",
                backend, backend);
    code = haproxy_exchange(h, command, &answer, err);
    if (code == ERR_NONE) {
        code = haproxy_parse(text_get(&answer), backend, out, count, err);
        if (code != ERR_NONE)
            error_wrap(err, "balancer %s", h->name);
    }
    text_reset(&answer);
    return code;
}

/* ---- tables ---- */

/* A table of lines with a header that names the columns: blanks between them, or commas. */
struct table {
    char separator;
    const char *header; /* behind the "# " */
    const char *next;   /* the line to read next */
};

static size_t line_length(const char *line)
{
    return strcspn(line, "\n");
}

/* The n-th field of a line; quoted fields (CSV) may hold the separator. */
static bool field_at(const struct table *t, const char *line, size_t n, const char **begin,
                     size_t *len)
{
    const char *end = line + line_length(line);
    const char *p = line;
    bool quoted = false;
    for (const char *start = line; p <= end; p++) {
        if (p < end && *p == '"')
            quoted = !quoted;
        if (p < end && (*p != t->separator || quoted))
            continue;
        if (n-- == 0) {
            *begin = start;
            *len = (size_t)(p - start);
            return true;
        }
        start = p + 1;
    }
    return false;
}

static bool column_named(const struct table *t, const char *name, size_t *out)
{
    const char *begin;
    size_t len;
    for (size_t n = 0; field_at(t, t->header, n, &begin, &len); n++)
        if (len == strlen(name) && memcmp(begin, name, len) == 0) {
            *out = n;
            return true;
        }
    return false;
}

/* The field of a column as text; ERR_CORRUPT when line or header do not have it. */
static enum error_code field_named(const struct table *t, const char *line, const char *name,
                                   char out[WORD_MAX], struct error *err)
{
    size_t n, len;
    const char *begin;
    if (!column_named(t, name, &n))
        return error_set(err, ERR_CORRUPT,
                         "the answer has no column %s: HAProxy 2.0 or later is needed", name);
    if (!field_at(t, line, n, &begin, &len) || len >= WORD_MAX)
        return error_set(err, ERR_CORRUPT, "a line of the answer lacks its column %s: \"%.*s\"",
                         name, (int)(line_length(line) > 80 ? 80 : line_length(line)), line);
    memcpy(out, begin, len);
    out[len] = '\0';
    return ERR_NONE;
}

static enum error_code number_named(const struct table *t, const char *line, const char *name,
                                    uint64_t max, uint64_t *out, struct error *err)
{
    char word[WORD_MAX];
    enum error_code code = field_named(t, line, name, word, err);
    if (code == ERR_NONE && !text_parse_u64(word, 0, max, out))
        code = error_set(err, ERR_CORRUPT, "column %s holds \"%s\", expected a number up to %llu",
                         name, word, (unsigned long long)max);
    return code;
}

static const char *next_line(struct table *t)
{
    const char *line = t->next;
    size_t len = line_length(line);
    if (len == 0)
        return NULL; /* the empty line that closes an answer */
    t->next = line[len] ? line + len + 1 : line + len;
    return line;
}

/* ---- show servers state ---- */

static enum error_code parse_state_line(const struct table *t, const char *line,
                                        struct haproxy_server *out, struct error *err)
{
    char name[WORD_MAX];
    uint64_t op, admin, weight;
    enum error_code code = field_named(t, line, "srv_name", name, err);
    if (code == ERR_NONE)
        code = number_named(t, line, "srv_op_state", OP_MAX, &op, err);
    if (code == ERR_NONE)
        code = number_named(t, line, "srv_admin_state", UINT32_MAX, &admin, err);
    if (code == ERR_NONE)
        code = number_named(t, line, "srv_uweight", 256, &weight, err);
    if (code != ERR_NONE)
        return code;
    *out = (struct haproxy_server){.weight = (uint32_t)weight, .sessions = UINT32_MAX};
    text_copy(out->name, sizeof(out->name), name);
    out->admin = admin & ADMIN_MAINT   ? BALANCER_MAINT
                 : admin & ADMIN_DRAIN ? BALANCER_DRAIN
                                       : BALANCER_READY;
    out->up = op == OP_STARTING || op == OP_RUNNING;
    return ERR_NONE;
}

struct servers {
    struct haproxy_server *items;
    size_t count, cap;
};

static struct haproxy_server *servers_add(struct servers *list)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 16;
        list->items = must_realloc(list->items, list->cap, sizeof(*list->items));
    }
    return &list->items[list->count++];
}

static enum error_code parse_state(const char *answer, const char *backend, struct servers *list,
                                   const char **rest, struct error *err)
{
    if (!text_starts(answer, "1\n# "))
        return refused(answer, backend, NULL, err);
    struct table t = {.separator = ' ', .header = answer + 4};
    t.next = t.header;
    next_line(&t);
    for (const char *line; (line = next_line(&t));) {
        struct haproxy_server found = {0};
        enum error_code code = parse_state_line(&t, line, &found, err);
        if (code != ERR_NONE)
            return code;
        *servers_add(list) = found;
    }
    *rest = *t.next ? t.next + 1 : t.next;
    return ERR_NONE;
}

/* ---- show stat ---- */

static struct haproxy_server *server_named(const struct servers *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_equal(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

static enum error_code parse_stat_line(const struct table *t, const char *line,
                                       const struct servers *list, struct error *err)
{
    char name[WORD_MAX];
    uint64_t current, queued, backup;
    enum error_code code = field_named(t, line, "svname", name, err);
    if (code == ERR_NONE)
        code = number_named(t, line, "scur", INT32_MAX, &current, err);
    if (code == ERR_NONE)
        code = number_named(t, line, "qcur", INT32_MAX, &queued, err);
    if (code == ERR_NONE)
        code = number_named(t, line, "bck", 1, &backup, err);
    if (code != ERR_NONE)
        return code;
    struct haproxy_server *server = server_named(list, name);
    if (server) {
        server->sessions = (uint32_t)(current + queued);
        server->backup = backup == 1;
    }
    return ERR_NONE;
}

static enum error_code parse_stat(const char *answer, const char *backend,
                                  const struct servers *list, const char **rest, struct error *err)
{
    if (!text_starts(answer, "# "))
        return refused(answer, backend, NULL, err);
    struct table t = {.separator = ',', .header = answer + 2};
    t.next = t.header;
    next_line(&t);
    for (const char *line; (line = next_line(&t));) {
        enum error_code code = parse_stat_line(&t, line, list, err);
        if (code != ERR_NONE)
            return code;
    }
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].sessions == UINT32_MAX)
            return error_set(err, ERR_CORRUPT,
                             "\"show stat\" does not name server %s of backend %s: was HAProxy's "
                             "configuration changed at this moment? try again",
                             list->items[i].name, backend);
    *rest = *t.next ? t.next + 1 : t.next;
    return ERR_NONE;
}

/* ---- show info ---- */

/* The number behind "Pid: " at the beginning of a line. */
static bool number_after(const char *answer, const char *key, uint64_t *out)
{
    char digits[24];
    for (const char *line = answer; *line && *line != '\n';) {
        size_t len = line_length(line);
        const char *value = line + strlen(key);
        if (text_starts(line, key) && len - strlen(key) < sizeof(digits)) {
            memcpy(digits, value, len - strlen(key));
            digits[len - strlen(key)] = '\0';
            return text_parse_u64(digits, 0, INT32_MAX, out);
        }
        line += len + (line[len] == '\n');
    }
    return false;
}

/* A reload is another process; a restart in a container may have the same number. HAProxy
 * before 2.4 does not tell when it started. */
static enum error_code parse_life(const char *answer, struct servers *list, struct error *err)
{
    uint64_t pid = 0, started = 0;
    if (!number_after(answer, "Pid: ", &pid))
        return error_set(err, ERR_CORRUPT, "\"show info\" does not tell HAProxy's process");
    number_after(answer, "Start_time_sec: ", &started);
    for (size_t i = 0; i < list->count; i++)
        list->items[i].life = pid << 32 | started;
    return ERR_NONE;
}

enum error_code haproxy_parse(const char *answer, const char *backend, struct haproxy_server **out,
                              size_t *count, struct error *err)
{
    struct servers list = {0};
    const char *rest = NULL;
    enum error_code code = parse_state(answer, backend, &list, &rest, err);
    if (code == ERR_NONE)
        code = parse_stat(rest, backend, &list, &rest, err);
    if (code == ERR_NONE)
        code = parse_life(rest, &list, err);
    if (code != ERR_NONE) {
        free(list.items);
        return code;
    }
    *out = list.items;
    *count = list.count;
    return ERR_NONE;
}
