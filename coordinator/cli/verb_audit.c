/* verb_audit.c - farmhand audit ...: who did what, from where, and why; and whether all of it is
 * still there as it was written. */
#include "common/chain_note.h"
#include "coordinator/cli/listing.h"
#include "coordinator/store/audit_chain.h"

#include <stdio.h>

#define PAGE 1000

static void add_change(struct table *t, const char *before, const char *after)
{
    struct text change = {0};
    if (*before && *after)
        text_addf(&change, "%s -> %s", before, after);
    else if (*before || *after)
        text_addf(&change, "%s%s", *before ? "was: " : "", *before ? before : after);
    table_cell(t, STYLE_PLAIN, change.len ? text_get(&change) : NULL);
    text_reset(&change);
}

static void add_row(struct table *t, const json_t *one)
{
    char at[SAY_TIME_MAX];
    table_cellf(t, STYLE_DIM, "%lld", (long long)cli_number(one, "id"));
    table_cell(t, STYLE_DIM, say_time(at, cli_text(one, "at")));
    table_cell(t, STYLE_BOLD, cli_text(one, "actor"));
    table_cell(t, STYLE_PLAIN, *cli_text(one, "origin") ? cli_text(one, "origin") : NULL);
    table_cell(t, STYLE_PLAIN, cli_text(one, "action"));
    table_cell(t, STYLE_PLAIN, *cli_text(one, "object") ? cli_text(one, "object") : NULL);
    add_change(t, cli_text(one, "before"), cli_text(one, "after"));
    table_cell(t, STYLE_PLAIN, cli_text(one, "reason"));
    const char *result = cli_text(one, "result");
    bool refused = text_starts(result, "refused");
    table_cell(t, refused ? STYLE_RED : STYLE_DIM, *result ? result : NULL);
}

static int audit_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        {"ROW", 3, 3, true},     {"AT (UTC)", 4, 10, false}, {"WHO", 9, 4, false},
        {"FROM", 2, 6, false},   {"DID", 8, 8, false},       {"TO", 7, 6, false},
        {"CHANGE", 6, 8, false}, {"WHY", 5, 8, false},       {"RESULT", 3, 6, false},
    };
    static const struct cli_listing listing = {columns, 9, add_row, NULL};
    char path[64];
    text_format(path, sizeof(path), "/v1/audit?limit=%llu",
                (unsigned long long)cli_count(cli, OPT_LIMIT, 50));
    return cli_show_listing(cli, path, "rows", &listing);
}

/* ---- verify ---- */

struct look {
    struct audit_chain chain;
    uint64_t last;    /* the highest number that was ever given */
    const char *head; /* to be met on the way; NULL: none */
    bool met;
    const char *file; /* a note of the last time, and where the next one goes; NULL: none */
    struct chain_note note;
    bool noted; /* there was one */
    uint64_t bad_id;
    const char *bad; /* NULL: nothing */
};

static void look_at_rows(struct look *l, const json_t *answer)
{
    size_t i;
    const json_t *one;
    l->last = (uint64_t)cli_number(answer, "last");
    json_array_foreach(cli_list(answer, "rows"), i, one)
    {
        const struct audit_row row = {.id = (uint64_t)cli_number(one, "id"),
                                      .wall_ms = cli_number(one, "at_ms"),
                                      .actor = cli_text(one, "actor"),
                                      .origin = cli_text(one, "origin"),
                                      .action = cli_text(one, "action"),
                                      .object = cli_text(one, "object"),
                                      .reason = cli_text(one, "reason"),
                                      .before = cli_text(one, "before"),
                                      .after = cli_text(one, "after"),
                                      .result = cli_text(one, "result"),
                                      .hash = cli_text(one, "hash")};
        l->bad = audit_chain_add(&l->chain, &row);
        if (!l->bad && l->noted)
            l->bad = chain_note_look(&l->note, row.id, l->chain.hash);
        l->bad_id = row.id;
        if (l->bad)
            return;
        l->met |= l->head && text_equal(l->head, l->chain.hash);
    }
}

static int look_at_all(struct cli *cli, struct look *l)
{
    int code = CLI_DONE;
    uint64_t before;
    do {
        struct text path = {0};
        json_t *answer = NULL;
        before = l->chain.id;
        text_addf(&path, "/v1/audit?after=%llu&limit=%d", (unsigned long long)before, PAGE);
        code = cli_get(cli, text_get(&path), &answer);
        if (code == CLI_DONE)
            look_at_rows(l, answer);
        json_decref(answer);
        text_reset(&path);
    } while (code == CLI_DONE && !l->bad && l->chain.id > before);
    return code;
}

/* After all rows: what is wrong with them? CLI_DONE: nothing. */
static int judge(struct cli *cli, const struct look *l)
{
    struct error err = {0};
    unsigned long long end = l->chain.id;
    if (l->bad)
        return cli_fail(cli, CLI_FAILED,
                        "row %llu: %s. The rows before it are as they were written",
                        (unsigned long long)l->bad_id, l->bad);
    if (l->last > l->chain.id)
        return cli_fail(cli, CLI_FAILED,
                        "the last rows are missing: row %llu is the last one there, and "
                        "%llu were written",
                        end, (unsigned long long)l->last);
    if (l->noted && chain_note_reached(&l->note, l->chain.id, l->file, &err))
        return cli_fail(cli, CLI_FAILED, "%s", err.text);
    if (end > 0 && !l->chain.hashed)
        return cli_fail(cli, CLI_FAILED,
                        "nothing proves any of the %llu rows: none has a hash. They were taken "
                        "away, or all rows are of a version before there were any: the next "
                        "change makes one that covers all",
                        end);
    if (l->head && !l->met)
        return cli_fail(cli, CLI_FAILED,
                        "no row has that hash: the trail was made anew since it was noted");
    return CLI_DONE;
}

static void tell_whole(struct cli *cli, const struct look *l)
{
    json_t *told =
        json_pack("{s:I, s:s, s:o}", "rows", (json_int_t)l->chain.id, "head", l->chain.hash,
                  "noted", l->noted ? json_integer((json_int_t)l->note.id) : json_null());
    if (!cli_print_json(cli, told)) {
        printf("%llu rows, all as they were written%s\n", (unsigned long long)l->chain.id,
               l->head ? ", and the head that you noted is among them" : "");
        if (l->noted)
            printf("Row %llu is the one that was noted in %s\n", (unsigned long long)l->note.id,
                   l->file);
        printf("The last one's hash, %s: %s\n", l->file ? "noted now" : "to note elsewhere",
               l->chain.hash);
    }
    json_decref(told);
}

static int audit_verify(struct cli *cli)
{
    struct look l = {.head = cli_has(cli, OPT_HEAD) ? cli_value(cli, OPT_HEAD, "") : NULL,
                     .file = cli_has(cli, OPT_NOTE) ? cli_value(cli, OPT_NOTE, "") : NULL};
    struct error err = {0};
    audit_chain_begin(&l.chain);
    if (chain_note_read(l.file, &l.note, &l.noted, &err))
        return cli_fail(cli, CLI_FAILED, "%s", err.text);
    int code = look_at_all(cli, &l);
    code = code == CLI_DONE ? judge(cli, &l) : code;
    if (code != CLI_DONE)
        return code;
    if (chain_note_write(l.file, l.chain.id, l.chain.hash, &err))
        return cli_fail(cli, CLI_FAILED, "the rows are as they were written, but not noted: %s",
                        err.text);
    tell_whole(cli, &l);
    return CLI_DONE;
}

const struct cli_verb cli_verbs_audit[] = {
    {"audit", "list", "", 0, 0, OPT(LIMIT), 0, "Who did what, from where, and why", NULL,
     audit_list},
    {"audit", "verify", "", 0, 0, OPT(HEAD) | OPT(NOTE), 0,
     "Find rows of the audit trail that were changed, taken out or put in",
     "Each row's hash covers the row and the hash before it. Whoever can write the coordinator's "
     "files could make the\nwhole trail anew, or cut off its end. With --note, on a machine where "
     "they cannot write, number and hash of the\nlast row are kept in FILE, and must be met the "
     "next time: a line for cron. --head does so with a hash from\nelsewhere (audit_syslog has "
     "one with every row).",
     audit_verify},
    {0},
};
