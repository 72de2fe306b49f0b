/* enrol.c - see enrol.h. */
#include "tests/farm/farm/enrol.h"

#include "tests/farm/farm/programs.h"

#include "common/clock.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TOOL_MS   20000
#define WINE_MS   120000
#define OUTPUT    65536
#define START_MS  15000
#define TOKEN_MAX 256

/* Runs it, and hands its output over; ERR_STATE: it failed. */
static enum error_code run_tool(const char *const *argv, const char *input, uint64_t limit_ms,
                                char **output, struct error *err)
{
    struct process_result result = {0};
    struct process_call call = {.argv = argv,
                                .timeout_ms = limit_ms,
                                .output_max_bytes = OUTPUT,
                                .input = input,
                                .input_len = input ? strlen(input) : 0};
    enum error_code code = process_run(&call, &result, err);
    if (code == ERR_NONE && result.exit_code != 0)
        code = error_set(err, ERR_STATE, "%s %s: exit code %u: %.200s", argv[0], argv[1],
                         result.exit_code, result.output);
    if (code == ERR_NONE && output)
        *output = result.output;
    else
        free(result.output);
    return code;
}

enum error_code enrol_init(const struct farm *f, struct error *err)
{
    char tool[PATH_MAX], config[PATH_MAX];
    enum error_code code = programs_find(PROGRAM_COORDINATOR, tool, err);
    farm_path(config, f, "conf/coordinator.conf");
    const char *argv[] = {tool, "init", "--config", config, NULL};
    return code ? code : run_tool(argv, NULL, TOOL_MS, NULL, err);
}

/* The coordinator has just been started: asked again until it answers. */
static enum error_code make_token(const struct farm *f, json_t **out, struct error *err)
{
    char tool[PATH_MAX], socket[108], uses[16], *output = NULL;
    uint64_t until_ms = clock_boot_ms() + START_MS;
    enum error_code code = programs_find(PROGRAM_FARMHAND, tool, err);
    farm_socket(socket, f, "farmhand");
    text_format(uses, sizeof(uses), "%u", f->servers);
    const char *argv[] = {tool,
                          "--socket",
                          socket,
                          "token",
                          "create",
                          "--for",
                          "web*",
                          "--uses",
                          uses,
                          "--profile",
                          "operate-services",
                          "--reason",
                          "a farm in a box",
                          "--json",
                          NULL};
    while (code == ERR_NONE && (code = run_tool(argv, NULL, TOOL_MS, &output, err)) == ERR_STATE &&
           clock_boot_ms() < until_ms) {
        clock_sleep_ms(100);
        code = ERR_NONE;
    }
    if (code)
        return code;
    *out = json_loads(output, 0, NULL);
    free(output);
    return *out ? ERR_NONE : error_set(err, ERR_CORRUPT, "no token came");
}

/* By the server's own program, in its Windows where it has one: there the key is made. */
static enum error_code join_one(const struct farm *f, unsigned index, const char *url,
                                const char *token, struct error *err)
{
    char wine[PATH_MAX], prefix[PATH_MAX], tool[PATH_MAX], config[PATH_MAX];
    char server[FARM_NAME_MAX];
    enum error_code code =
        programs_find(f->windows ? PROGRAM_WINDOWS_AGENT : PROGRAM_AGENT, tool, err);
    if (code == ERR_NONE && f->windows)
        code = programs_find(PROGRAM_WINE, wine, err);
    farm_server_name(server, index);
    farm_path(prefix, f, "wine/%s", server);
    farm_server_path(config, f, "conf/%s.agent", server);
    const char *argv[] = {wine, "--in", prefix, tool, "join", url, "-", "--config", config, NULL};
    return code ? code
                : run_tool(argv + (f->windows ? 0 : 3), token, f->windows ? WINE_MS : TOOL_MS, NULL,
                           err);
}

enum error_code enrol_join_all(const struct farm *f, struct error *err)
{
    json_t *made = NULL;
    char token[TOKEN_MAX] = "";
    enum error_code code = make_token(f, &made, err);
    const char *url = json_string_value(json_object_get(made, "url"));
    const char *text = json_string_value(json_object_get(made, "token"));
    if (code == ERR_NONE && (!url || !text))
        code = error_set(err, ERR_CORRUPT, "the token came without a url");
    if (code == ERR_NONE)
        text_format(token, sizeof(token), "%s\n", text);
    for (unsigned i = 0; i < f->servers && code == ERR_NONE; i++)
        code = join_one(f, i, url, token, err);
    json_decref(made);
    return code;
}
