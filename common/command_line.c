/* command_line.c - see command_line.h. */
#include "common/command_line.h"

#include "common/must.h"

#include <stdlib.h>
#include <string.h>

static void add_backslashes(struct text *line, size_t count)
{
    while (count-- > 0)
        text_add(line, "\\");
}

/* Backslashes mean something before a quote only, the closing one included: there they are
 * doubled. */
static void add_quoted(struct text *line, const char *word)
{
    text_add(line, "\"");
    for (;;) {
        size_t backslashes = strspn(word, "\\");
        word += backslashes;
        if (*word == '\0') {
            add_backslashes(line, 2 * backslashes);
            break;
        }
        add_backslashes(line, *word == '"' ? 2 * backslashes + 1 : backslashes);
        text_add_bytes(line, word++, 1);
    }
    text_add(line, "\"");
}

bool command_line_add(struct text *line, const char *const *argv)
{
    if (strchr(argv[0], '"'))
        return false;
    text_addf(line, "\"%s\"", argv[0]);
    for (size_t i = 1; argv[i]; i++) {
        text_add(line, " ");
        if (argv[i][0] == '\0' || strpbrk(argv[i], " \t\n\v\r\""))
            add_quoted(line, argv[i]);
        else
            text_add(line, argv[i]);
    }
    return true;
}

/* The program's name; returns where the rest begins. */
static const char *take_program(const char *at, char **out)
{
    bool quoted = false;
    for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++) {
        if (*at == '"')
            quoted = !quoted;
        else
            *(*out)++ = *at;
    }
    *(*out)++ = '\0';
    return at;
}

/* Backslashes and the quote after them; returns what follows. */
static const char *take_backslashes(const char *at, bool *literal_quote, char **out)
{
    size_t count = strspn(at, "\\");
    at += count;
    *literal_quote = *at == '"' && count % 2 == 1;
    for (size_t keep = *at == '"' ? count / 2 : count; keep > 0; keep--)
        *(*out)++ = '\\';
    return at;
}

static const char *take_word(const char *at, char **out)
{
    bool quoted = false;
    while (*at && (quoted || (*at != ' ' && *at != '\t'))) {
        bool literal = false;
        if (*at == '\\')
            at = take_backslashes(at, &literal, out);
        else if (*at != '"')
            *(*out)++ = *at++;
        if (*at != '"')
            continue;
        if (!literal && quoted && at[1] == '"') {
            literal = true; /* two quotes inside of quotes */
            at++;
        }
        if (literal)
            *(*out)++ = '"';
        else
            quoted = !quoted;
        at++;
    }
    *(*out)++ = '\0';
    return at;
}

char **command_line_split(const char *line, size_t *count)
{
    /* Every word is at least one character and a blank, and words only get shorter. */
    size_t len = strlen(line), words_max = len / 2 + 2;
    char **words = must_alloc(words_max * sizeof(*words) + len + words_max, 1);
    char *out = (char *)(words + words_max);
    size_t n = 0;
    const char *at = line;
    if (*at) {
        words[n++] = out;
        at = take_program(at, &out);
    }
    for (at += strspn(at, " \t"); *at; at += strspn(at, " \t")) {
        words[n++] = out;
        at = take_word(at, &out);
    }
    words[n] = NULL;
    if (count)
        *count = n;
    return words;
}
