#include "coordinator/core/selector.h"

#include "common/text.h"

#include <string.h>

#define TERM_MAX 256

struct term {
    bool negated;
    char key[TERM_MAX];  /* "" for a name */
    char glob[TERM_MAX]; /* of the name or of the label's value */
};

static enum error_code term_parse(const char *part, struct term *out, struct error *err)
{
    *out = (struct term){.negated = part[0] == '!'};
    const char *body = part + (out->negated ? 1 : 0);
    if (!*body) {
        return error_set(
            err, ERR_INVALID,
            "an empty part in the selector: write all, web01, web*, zone=a or !zone=b");
    }
    const char *equals = strchr(body, '=');
    const char *glob = equals ? equals + 1 : body;
    if (equals && (equals == body || !*glob)) {
        return error_set(err, ERR_INVALID, "'%s': write LABEL=VALUE", body);
    }
    if (equals && (size_t)(equals - body) < sizeof out->key) {
        memcpy(out->key, body, (size_t)(equals - body));
    } else if (equals) {
        return error_set(err, ERR_INVALID, "a label's name is too long");
    }
    if (!text_copy(out->glob, sizeof out->glob, glob)) {
        return error_set(err, ERR_INVALID, "a part of the selector is longer than 255 bytes");
    }
    if (strpbrk(out->glob, " \t=!\"'")) {
        return error_set(err, ERR_INVALID, "'%s': blanks, quotes, '=' and '!' cannot stand there",
                         body);
    }
    return ERR_NONE;
}

static int check_part(const char *part, void *arg)
{
    struct term term;
    return term_parse(part, &term, arg);
}

enum error_code selector_check(const char *selector, struct error *err)
{
    if (!selector || !selector[strspn(selector, " \t")]) {
        return error_set(err, ERR_INVALID,
                         "the selector is empty: write all, a name, web*, or labels as zone=a");
    }
    return (enum error_code)text_split(selector, ',', check_part, err);
}

struct matching {
    const char *server;
    const struct selector_label *labels;
    size_t label_count;
    bool any_name, name_hit; /* of the united names */
    bool labels_hold;
    bool taken_away;
};

static bool label_matches(const struct matching *m, const struct term *term)
{
    for (size_t i = 0; i < m->label_count; i++) {
        if (text_equal_nocase(m->labels[i].key, term->key) &&
            text_glob_match(term->glob, m->labels[i].value)) {
            return true;
        }
    }
    return false;
}

static int match_part(const char *part, void *arg)
{
    struct matching *m = arg;
    struct term term;
    if (term_parse(part, &term, NULL) != ERR_NONE) {
        return 1;
    }
    bool is_all = !term.key[0] && text_equal_nocase(term.glob, "all");
    bool hit =
        term.key[0] ? label_matches(m, &term) : is_all || text_glob_match(term.glob, m->server);
    if (term.negated) {
        m->taken_away = m->taken_away || hit;
    } else if (term.key[0]) {
        m->labels_hold = m->labels_hold && hit;
    } else {
        m->any_name = true;
        m->name_hit = m->name_hit || hit;
    }
    return 0;
}

bool selector_match(const char *selector, const char *server, const struct selector_label *labels,
                    size_t label_count)
{
    struct matching m = {
        .server = server, .labels = labels, .label_count = label_count, .labels_hold = true};
    if (text_split(selector, ',', match_part, &m) != 0) {
        return false;
    }
    return (m.name_hit || !m.any_name) && m.labels_hold && !m.taken_away;
}

/* ---- pools ---- */

bool pools_are_one(const char *pools)
{
    return strpbrk(pools, "*?,!") == NULL;
}

static int check_pool_part(const char *part, void *arg)
{
    const char *glob = part + (part[0] == '!');
    if (glob[strspn(glob, " \t")]) {
        return 0;
    }
    return (int)error_set(arg, ERR_INVALID,
                          "an empty part among the pools: write Shop, Shop*, or *,!Shop");
}

enum error_code pools_check(const char *pools, struct error *err)
{
    return (enum error_code)text_split(pools, ',', check_pool_part, err);
}

struct pool_matching {
    const char *pool;
    bool any, hit, taken_away;
};

static int match_pool_part(const char *part, void *arg)
{
    struct pool_matching *m = arg;
    bool negated = part[0] == '!';
    bool hit = text_glob_match(part + (negated ? 1 : 0), m->pool);
    if (negated) {
        m->taken_away = m->taken_away || hit;
    } else {
        m->any = true;
        m->hit = m->hit || hit;
    }
    return 0;
}

bool pools_match(const char *pools, const char *pool)
{
    struct pool_matching m = {.pool = pool};
    text_split(pools, ',', match_pool_part, &m);
    return (m.hit || !m.any) && !m.taken_away;
}
