/* own_words.c - what the coordinator refuses, in the words of the command line: it names fields of
 * its API, such as options.limit_ms, and a person wrote --timeout. */
#include "coordinator/cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIELD_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_"
#define EXPECTED    ": expected a number from "

static bool takes(const struct cli *cli, enum cli_option option)
{
    return cli->verb && (cli->verb->options & OPT_BIT(option));
}

/* "limit_ms" of a field "limit_ms", or of one that is named without its unit. */
static bool is_field(const char *api, const char *word)
{
    size_t len = strlen(word);
    return api && strncmp(api, word, len) == 0 && (!api[len] || text_equal(api + len, "_ms"));
}

/* The option that the person wrote for it; NULL: it is no field. */
static const char *option_of(const struct cli *cli, const char *word)
{
    if (is_field("for_ms", word) && takes(cli, OPT_FOR))
        return "for";
    for (int i = 0; i < OPT_COUNT; i++) {
        struct cli_option_words o = cli_option_words((enum cli_option)i);
        bool its_own = !takes(cli, OPT_TIMEOUT) && takes(cli, OPT_FOR); /* of server cycle */
        if (is_field(o.api, word))
            return i == OPT_TIMEOUT && its_own ? "for" : o.name;
    }
    return NULL;
}

/* "a length from 1s to 31d" in place of a range in milliseconds; 0: it is none. */
static size_t add_range(struct text *out, const char *rest)
{
    char from[TEXT_DURATION_MAX], to[TEXT_DURATION_MAX];
    uint64_t least, most;
    int len = 0;
    if (!text_starts(rest, EXPECTED) ||
        sscanf(rest + strlen(EXPECTED), "%" SCNu64 " to %" SCNu64 "%n", &least, &most, &len) != 2)
        return 0;
    text_addf(out, ": expected a length from %s to %s", text_format_duration(from, least),
              text_format_duration(to, most));
    return strlen(EXPECTED) + (size_t)len;
}

/* One word at `at`, and what of the rest goes with it; 0: it stays as it is. Only words that no
 * sentence has: with "options." before them, an underscore within, or what is expected behind. */
static size_t add_field(const struct cli *cli, struct text *out, const char *at)
{
    char word[64];
    size_t prefix = text_starts(at, "options.") ? strlen("options.") : 0;
    size_t len = strspn(at + prefix, FIELD_CHARS);
    if (len == 0 || len >= sizeof(word))
        return 0;
    memcpy(word, at + prefix, len);
    word[len] = '\0';
    const char *rest = at + prefix + len;
    const char *name = option_of(cli, word);
    if (!name || (!prefix && !strchr(word, '_')))
        return 0;
    text_addf(out, "--%s", name);
    bool timed = len > 3 && text_equal(word + len - 3, "_ms");
    return prefix + len + (timed ? add_range(out, rest) : 0);
}

void cli_add_own_words(const struct cli *cli, const char *words, struct text *out)
{
    for (const char *at = words; *at;) {
        bool begins = at == words || at[-1] == ' ' || at[-1] == '(';
        size_t used = begins ? add_field(cli, out, at) : 0;
        if (used == 0)
            text_add_bytes(out, at, 1);
        at += used ? used : 1;
    }
}
