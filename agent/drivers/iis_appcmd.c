/* iis_appcmd.c - see iis_appcmd.h. */
#include "agent/drivers/iis_appcmd.h"

#include "agent/drivers/iis_decode.h"
#include "common/clock.h"
#include "common/must.h"
#include "common/process.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* 2,000 pools with /config:* print about 4 MB. */
#define OUTPUT_MAX     ((size_t)8 << 20)
#define QUOTE_MAX      160 /* bytes of appcmd's words in an error */
#define WAS_TIMEOUT_MS 5000
#define SPARE_MS       1000 /* before the deadline nothing is tried once more */

void iis_answer_reset(struct iis_answer *answer)
{
    iis_wipe_free(answer->utf8, answer->len);
    *answer = (struct iis_answer){0};
}

/* ---- names ---- */

/* "$=*x", "$<>x" and the like are search expressions of `appcmd list /?`. */
static bool is_search(const char *pool)
{
    return pool[0] == '$' && pool[1] != '\0' && strchr("=<>", pool[1]);
}

char *iis_appcmd_pool_argument(const char *pool, struct error *err)
{
    size_t len = strlen(pool);
    if (len == 0 || len >= WIRE_NAME_MAX || !wire_text_is_clean(pool) || is_search(pool)) {
        error_set(err, ERR_NOT_FOUND, "no pool can have that name");
        return NULL;
    }
    struct text argument = {0};
    text_addf(&argument, "/apppool.name:%s", pool);
    return text_take(&argument);
}

/* ---- one call ---- */

static uint64_t call_limit(const struct iis_settings *settings, enum iis_verb verb)
{
    return verb == IIS_STOP ? settings->stop_timeout_ms : settings->appcmd_timeout_ms;
}

/* process_run's code in the words of the driver's contract. */
static enum error_code not_run(const struct iis_settings *settings, enum error_code code,
                               struct error *err)
{
    switch (code) {
    case ERR_NOT_FOUND:
        return error_set(err, ERR_UNAVAILABLE,
                         "there is no appcmd at %s: install IIS or mend [iis] appcmd",
                         settings->appcmd);
    case ERR_NOMEM:
        return error_set(err, ERR_CORRUPT, "it printed more than %zu bytes and was ended",
                         OUTPUT_MAX);
    case ERR_TIMEOUT:
    case ERR_DENIED:
    case ERR_BUSY:
        return code;
    default:
        if (err)
            err->code = ERR_IO;
        return ERR_IO;
    }
}

static enum error_code start(const struct iis_settings *settings, enum iis_verb verb,
                             const char *const *args, uint64_t deadline_ms,
                             struct process_result *out, struct error *err)
{
    const char *argv[IIS_ARGS_MAX + 2] = {settings->appcmd};
    for (size_t i = 0; args[i]; i++) {
        must(i < IIS_ARGS_MAX);
        argv[i + 1] = args[i];
    }
    uint64_t now = clock_boot_ms();
    uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
    uint64_t limit = call_limit(settings, verb);
    if (left == 0)
        return error_set(err, ERR_TIMEOUT, "no time left");
    struct process_call call = {
        .argv = argv,
        .timeout_ms = left < limit ? left : limit,
        .output_max_bytes = OUTPUT_MAX,
        .exit_fd_env = "FARMHAND_EXIT_FD",
        .secret = verb == IIS_LIST,
    };
    enum error_code code = process_run(&call, out, err);
    return code ? not_run(settings, code, err) : ERR_NONE;
}

/* ---- what came of it ---- */

static bool mentions(const char *text, const char *word)
{
    size_t len = strlen(word);
    char piece[16];
    must(len < sizeof(piece));
    for (; strlen(text) >= len; text++) {
        memcpy(piece, text, len);
        piece[len] = '\0';
        if (text_equal_nocase(piece, word))
            return true;
    }
    return false;
}

/* appcmd's own words, for people: one line, cut. "" where they are not fit to be seen. */
static void quote(const char *utf8, char out[QUOTE_MAX])
{
    char head[4 * QUOTE_MAX];
    text_copy(head, sizeof(head), utf8);
    char *line = head + strspn(head, " \t\r\n");
    for (size_t len = strlen(line); len > 0 && strchr(" \t\r\n", line[len - 1]); len--)
        line[len - 1] = '\0';
    if (mentions(line, "password"))
        line = head + strlen(head);
    wire_clean_text(out, QUOTE_MAX, line);
}

/* Where an exit code says little (1: help; or one that nobody knows), the hresult that stands in a
 * text answer says more. */
static uint32_t code_of(const struct process_result *result, enum iis_verb verb, const char *utf8)
{
    uint32_t code = iis_code_of_hresult(result->exit_code);
    uint32_t told;
    bool vague = code == 1 || !iis_code_is_known(code, verb);
    if (code != 0 && vague && iis_code_in_text(utf8, &told) && told != 0)
        return told;
    return code;
}

/* 50: WAS is stopped, or we are not elevated. */
static bool was_runs(const struct iis_appcmd *appcmd)
{
    struct scm_rows rows;
    if (appcmd->scm->ops->query(appcmd->scm, WAS_TIMEOUT_MS, &rows, NULL) != ERR_NONE)
        return false;
    const struct scm_row *was = scm_rows_find(&rows, "WAS");
    bool runs = was && was->state == SVC_RUNNING;
    scm_rows_reset(&rows);
    return runs;
}

static enum error_code tell(const struct iis_appcmd *appcmd, const struct iis_code *means,
                            uint32_t code, const char *said, struct error *err)
{
    enum error_code result = means->result;
    const char *advice = means->advice;
    if (means->ask_service && was_runs(appcmd)) {
        result = ERR_DENIED;
        advice = "WAS runs, so the agent is not elevated: run it as LocalSystem or elevated";
    }
    if (said[0] == '\0')
        return error_set(err, result, "code %" PRIu32 ": %s", code, advice);
    return error_set(err, result, "code %" PRIu32 ": %s (appcmd: %s)", code, advice, said);
}

/* Judges one ended call. *repeat: whether it may be made again. */
static enum error_code judge(const struct iis_appcmd *appcmd, enum iis_verb verb,
                             const struct process_result *result, struct iis_answer *out,
                             enum iis_repeat *repeat, struct error *err)
{
    *repeat = IIS_REPEAT_NEVER;
    if (result->signalled)
        return error_set(err, ERR_IO, "it was ended from outside (code %" PRIu32 ")",
                         result->exit_code);
    struct iis_answer answer = {.exit_code = result->exit_code};
    char said[QUOTE_MAX] = "";
    enum error_code decoded =
        iis_decode(result->output, result->output_len, appcmd->settings->code_page, &answer.utf8,
                   &answer.len, err);
    if (iis_verb_acts(verb) && decoded == ERR_NONE)
        quote(answer.utf8, said);
    uint32_t code = code_of(result, verb, decoded == ERR_NONE ? answer.utf8 : "");
    const struct iis_code *means = iis_code_find(code, verb);
    enum error_code judged = means->result;
    *repeat = means->repeat;
    if (judged)
        judged = tell(appcmd, means, code, said, err);
    else if (out)
        judged = decoded;
    if (!judged && out) {
        *out = answer;
        answer = (struct iis_answer){0};
    }
    iis_answer_reset(&answer);
    return judged;
}

static enum error_code try_once(const struct iis_appcmd *appcmd, enum iis_verb verb,
                                const char *const *args, uint64_t deadline_ms,
                                struct iis_answer *out, enum iis_repeat *repeat, struct error *err)
{
    struct process_result result;
    *repeat = IIS_REPEAT_NEVER;
    enum error_code code = start(appcmd->settings, verb, args, deadline_ms, &result, err);
    if (code)
        return code;
    code = judge(appcmd, verb, &result, out, repeat, err);
    iis_wipe_free(result.output, result.output_len);
    return code;
}

/* A try that the deadline cuts off would make "nothing was done" into "not known": the last one has
 * to begin while there is time for twice the longest of those before, and for a second in any case,
 * since on a busy machine one takes many times as long as another. */
static uint64_t last_begin(uint64_t deadline_ms, uint64_t longest_ms)
{
    uint64_t spare_ms = 2 * longest_ms > SPARE_MS ? 2 * longest_ms : SPARE_MS;
    return deadline_ms > spare_ms ? deadline_ms - spare_ms : 0;
}

enum error_code iis_appcmd_run(const struct iis_appcmd *appcmd, enum iis_verb verb,
                               const char *const *args, uint64_t deadline_ms,
                               struct iis_answer *out, struct error *err)
{
    struct iis_retry retry = {0};
    uint64_t longest_ms = 0;
    for (;;) {
        enum iis_repeat repeat;
        uint64_t wait_ms;
        struct error here;
        uint64_t began_ms = clock_boot_ms();
        enum error_code code = try_once(appcmd, verb, args, deadline_ms, out, &repeat, &here);
        uint64_t now_ms = clock_boot_ms();
        if (!code)
            return ERR_NONE;
        longest_ms = now_ms - began_ms > longest_ms ? now_ms - began_ms : longest_ms;
        uint64_t last_ms = last_begin(deadline_ms, longest_ms);
        bool again = iis_retry_next(&retry, repeat, now_ms, last_ms, &wait_ms);
        if (again)
            clock_sleep_ms((uint32_t)wait_ms);
        if (!again || clock_boot_ms() >= last_ms) /* it may have slept longer than it was to */
            return error_set(err, code, "appcmd %s: %s", iis_verb_name(verb), here.text);
    }
}

enum error_code iis_appcmd_failure(const struct iis_appcmd *appcmd,
                                   const struct iis_failure *failure, uint32_t exit_code,
                                   struct error *err)
{
    if (!failure->told || (failure->code == 0 && exit_code == 1))
        return ERR_NONE;
    if (failure->code == 0)
        return error_set(err, ERR_IO, "appcmd list: it reported an error without a code");
    const struct iis_code *means = iis_code_find(failure->code, IIS_LIST);
    if (means->result == ERR_NONE)
        return ERR_NONE;
    struct error here;
    enum error_code code = tell(appcmd, means, failure->code, "", &here);
    return error_set(err, code, "appcmd list: %s", here.text);
}
