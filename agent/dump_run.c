/* dump_run.c - see dump_run.h. */
#include "agent/dump_run.h"

#include "agent/driver.h"
#include "agent/drivers/iis.h"
#include "agent/home.h"
#include "agent/settings.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/options.h"
#include "common/os.h"
#include "common/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "farmhand-agent worker dump - a picture of a worker's memory in a file\n"
    "\n"
    "usage: farmhand-agent worker dump PID [--to FILE] [--full] [--max-size SIZE]\n"
    "                                      [--keep-free SIZE] [--within TIME] [--config FILE]\n"
    "                                      [--json]\n"
    "\n"
    "  PID               of a worker process of IIS; of nothing else\n"
    "  --to FILE         an absolute path that does not exist yet; without it a new file in\n"
    "                    dumps, below the agent's data_dir\n"
    "  --full            with all its memory; else stacks, threads, modules and handles\n"
    "  --max-size SIZE   give up above that (dump_max of the configuration)\n"
    "  --keep-free SIZE  so much of the disk stays free (dump_free)\n"
    "  --within TIME     give up after that (dump_wait): the worker stands still meanwhile, and\n"
    "                    IIS ends one that misses its ping (90s by default)\n"
    "  --config FILE     the agent's configuration, %s by default\n"
    "  --json            for programs\n"
    "\n"
    "A dump holds secrets of the application: only SYSTEM and Administrators may read the file.\n"
    "What is not finished within the limits is taken away again. Ends with 0 if the dump is\n"
    "written, 1 if not, 2 on wrong options or configuration.\n";

static const struct options_program program = {.name = "farmhand-agent worker", .help = help};

struct words {
    const char *config, *to;
    uint32_t pid;
    bool json;
    struct driver_dump_limits limits; /* 0: the configuration's */
    bool keep_free_given;
};

/* ---- the words ---- */

static bool take_size(const char *value, uint64_t *out)
{
    return text_parse_size(value, out) && *out > 0;
}

/* NULL: taken. Else what is wrong with the value. */
static const char *take(int option, const char *value, struct words *out)
{
    struct driver_dump_limits *limits = &out->limits;
    switch (option) {
    case 'c':
        out->config = value;
        return NULL;
    case 't':
        out->to = value;
        return iis_settings_check_path(value, NULL) ? "--to wants an absolute path, not " : NULL;
    case 'm':
        return take_size(value, &limits->max_bytes) ? NULL
                                                    : "--max-size wants 4G or the like, not ";
    case 'k':
        out->keep_free_given = true;
        return text_parse_size(value, &limits->keep_free_bytes)
                   ? NULL
                   : "--keep-free wants 5G or the like, not ";
    case 'w':
        return text_parse_duration(value, &limits->timeout_ms) && limits->timeout_ms > 0
                   ? NULL
                   : "--within wants 60s or the like, not ";
    case 'f':
        limits->full = true;
        return NULL;
    default:
        out->json = true;
        return NULL;
    }
}

static int take_arguments(int argc, char **argv, struct words *out)
{
    uint64_t pid;
    if (argc == 0 || !text_equal(argv[0], "dump"))
        return options_refused(&program, argc == 0 ? "dump is missing" : "there is no ",
                               argc == 0 ? "" : argv[0]);
    if (argc == 1)
        return options_refused(&program, "the PID of a worker is missing", "");
    if (argc > 2)
        return options_refused(&program, "unexpected argument ", argv[2]);
    if (!text_parse_u64(argv[1], 1, UINT32_MAX, &pid))
        return options_refused(&program, "expected a PID, not ", argv[1]);
    out->pid = (uint32_t)pid;
    return -1;
}

/* -1: go on. */
static int parse(int argc, char **argv, struct words *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"to", required_argument, NULL, 't'},
                                            {"max-size", required_argument, NULL, 'm'},
                                            {"within", required_argument, NULL, 'w'},
                                            {"keep-free", required_argument, NULL, 'k'},
                                            {"full", no_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    *out = (struct words){.config = home_config()};
    while ((option = getopt_long(argc, argv, "c:jh", options, NULL)) != -1) {
        if (option == 'h') {
            printf(help, home_config());
            return EXIT_SUCCESS;
        }
        if (option == '?')
            return options_usage(&program);
        const char *wrong = take(option, optarg, out);
        if (wrong)
            return options_refused(&program, wrong, optarg);
    }
    return take_arguments(argc - optind, argv + optind, out);
}

/* ---- the dump ---- */

static enum error_code find_worker(struct driver *driver, uint32_t pid, char pool[WIRE_NAME_MAX],
                                   uint64_t *created, struct error *err)
{
    struct driver_view view;
    enum error_code code = driver->ops->workers(driver, &view, err);
    if (code)
        return code;
    code = error_set(err, ERR_NOT_FOUND, "process %" PRIu32 " is no worker of IIS", pid);
    for (size_t i = 0; i < view.worker_count; i++) {
        if (view.workers[i].pid != pid)
            continue;
        text_copy(pool, WIRE_NAME_MAX, view.workers[i].pool);
        *created = view.workers[i].created;
        code = ERR_NONE;
    }
    driver_view_reset(&view);
    return code;
}

/* DATA_DIR/dumps/worker-4711-20261127T061500.dmp, its folder made. */
static enum error_code new_file(const struct settings *settings, uint32_t pid, struct text *out,
                                struct error *err)
{
    char time[TEXT_TIME_MAX], digits[TEXT_TIME_MAX];
    size_t len = 0;
    text_addf(out, "%s/dumps", settings->data_dir);
    enum error_code code = os_make_dir(text_get(out), 0700, err);
    text_format_time(time, clock_wall_ms());
    for (const char *c = time; *c && *c != '.'; c++)
        if (*c != '-' && *c != ':')
            digits[len++] = *c;
    digits[len] = '\0';
    text_addf(out, "/worker-%" PRIu32 "-%s.dmp", pid, digits);
    return code;
}

static void print(const struct words *words, const char *pool, const char *file, uint64_t bytes,
                  uint64_t ms)
{
    if (!words->json) {
        printf("%s\nworker %" PRIu32 " of pool %s, %" PRIu64 " KB, it stood still for up to "
               "%" PRIu64 " ms\n",
               file, words->pid, pool, bytes >> 10, ms);
        return;
    }
    json_t *all =
        json_pack("{s:s, s:I, s:s, s:I, s:I}", "file", file, "pid", (json_int_t)words->pid, "pool",
                  pool, "bytes", (json_int_t)bytes, "elapsed_ms", (json_int_t)ms);
    char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(all);
}

static enum error_code dump(const struct settings *settings, struct driver *driver,
                            const struct words *words, struct error *err)
{
    char pool[WIRE_NAME_MAX] = "";
    uint64_t created = 0, bytes = 0, began_ms;
    struct text file = {0};
    enum error_code code = find_worker(driver, words->pid, pool, &created, err);
    if (!code && words->to)
        text_add(&file, words->to);
    else if (!code)
        code = new_file(settings, words->pid, &file, err);
    began_ms = clock_boot_ms();
    if (!code)
        code = driver->ops->worker_dump(driver, pool, words->pid, created, text_get(&file),
                                        &words->limits, &bytes, err);
    if (!code)
        print(words, pool, text_get(&file), bytes, clock_boot_ms() - began_ms);
    text_reset(&file);
    return code;
}

/* What the command line does not say, the configuration does. */
static void fill_limits(const struct settings *settings, struct words *words)
{
    struct driver_dump_limits *limits = &words->limits;
    limits->timeout_ms = limits->timeout_ms ? limits->timeout_ms : settings->dump_wait_ms;
    limits->max_bytes = limits->max_bytes ? limits->max_bytes : settings->dump_max_bytes;
    if (!words->keep_free_given)
        limits->keep_free_bytes = settings->dump_free_bytes;
}

int dump_main(int argc, char **argv)
{
    struct words words;
    struct settings settings;
    struct driver *driver = NULL;
    struct error err = {0};
    bool told = false;
    int end = parse(argc, argv, &words);
    if (end >= 0)
        return end;
    if (settings_read(words.config, &settings, options_config_line, &told, &err) != ERR_NONE)
        return options_config_refused(&program, told, &err);
    fill_limits(&settings, &words);
    log_set_level(LOG_LEVEL_ERROR);
    free(settings.iis.state_dir); /* the bookmark in the event log is the agent's */
    settings.iis.state_dir = NULL;
    enum error_code code = iis_open(&settings.iis, &driver, &err);
    if (!code)
        code = dump(&settings, driver, &words, &err);
    if (code)
        fprintf(stderr, "%s: %s\n", program.name, err.text);
    if (driver)
        driver->ops->close(driver);
    settings_reset(&settings);
    return code ? EXIT_FAILURE : EXIT_SUCCESS;
}
