/* doctor_run.c - see doctor_run.h: the command. */
#include "agent/doctor_run.h"

#include "agent/drivers/iis.h"
#include "agent/home.h"
#include "common/http.h"
#include "common/log.h"
#include "common/options.h"
#include "common/os.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "farmhand-agent doctor - what is right and wrong with this server; changes nothing\n"
    "\n"
    "usage: farmhand-agent doctor [--config FILE] [--json]\n"
    "\n"
    "  --config FILE  the agent's configuration, %s by default\n"
    "  --json         for programs\n"
    "  --help         print this\n"
    "\n"
    "Looks at the rights of this process, appcmd, services and who lives in their process, every "
    "pool\n"
    "with what would make a recycle visible, the event log, counters, and whether the coordinator "
    "can\n"
    "be reached. Pools that have a worker are probed with one request each. It also tells what "
    "this\n"
    "server answers to the questions about IIS that no source settled. On Windows, where there is\n"
    "no configuration yet and none is named, it says so and judges by defaults.\n"
    "\n"
    "Ends with 0 if all is well or only to be looked at, 1 if something fails, 2 on wrong options "
    "or\n"
    "configuration.\n";

static const struct options_program program = {.name = "farmhand-agent doctor", .help = help};

struct words {
    const char *config;
    bool named; /* by --config */
    bool json;
};

/* -1: go on. */
static int parse(int argc, char **argv, struct words *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
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
        out->config = option == 'c' ? optarg : out->config;
        out->named |= option == 'c';
        out->json |= option == 'j';
    }
    return optind == argc ? -1 : options_refused(&program, "unexpected argument ", argv[optind]);
}

/* Before its first configuration a server is judged with what holds without one. One that was named
 * and is not there is a mistake, and so is one that cannot be read. */
static bool is_before_settings(const struct words *words)
{
    struct os_file_id id;
    return !words->named && os_file_id(words->config, &id, NULL) == ERR_NONE && id.modified_ns == 0;
}

/* Outside Windows a server's appcmd is nowhere by default: there it is told that the file lacks. */
static enum error_code read_settings(const struct words *words, struct settings *out, bool *missing,
                                     bool *told, struct error *err)
{
    *missing = is_before_settings(words) &&
               settings_parse("", words->config, out, NULL, NULL, NULL) == ERR_NONE;
    if (*missing)
        return ERR_NONE;
    return settings_read(words->config, out, options_config_line, told, err);
}

/* missing: the configuration that is not there; NULL. */
static int examine(const struct settings *settings, const char *missing, bool json)
{
    struct driver *driver;
    struct error err;
    struct doctor_facts facts = {0};
    struct doctor_report report = {0};
    struct text out = {0};
    http_start();
    if (iis_open(&settings->iis, &driver, &err) != ERR_NONE) {
        fprintf(stderr, "%s: %s\n", program.name, err.text);
        return OPTIONS_EXIT_USAGE;
    }
    if (missing)
        doctor_facts_add(&facts, "", "settings.missing", missing);
    doctor_gather(settings, driver, &facts);
    doctor_judge(&facts, &report);
    if (json)
        doctor_print_json(&facts, &report, &out);
    else
        doctor_print_text(&facts, &report, &out);
    fputs(text_get(&out), stdout);
    int code = doctor_exit_code(&report);
    text_reset(&out);
    doctor_report_reset(&report);
    doctor_facts_reset(&facts);
    driver->ops->close(driver);
    return code;
}

int doctor_main(int argc, char **argv)
{
    struct words words;
    struct settings settings;
    struct error err = {0};
    bool told = false, missing = false;
    int end = parse(argc, argv, &words);
    if (end >= 0)
        return end;
    if (read_settings(&words, &settings, &missing, &told, &err) != ERR_NONE)
        return options_config_refused(&program, told, &err);
    log_set_level(LOG_LEVEL_ERROR);
    free(settings.iis.state_dir); /* the bookmark in the event log is the agent's */
    settings.iis.state_dir = NULL;
    end = examine(&settings, missing ? words.config : NULL, words.json);
    settings_reset(&settings);
    return end;
}
