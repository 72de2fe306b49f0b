/* main.c - farmhand-agent: options, wiring, a clean end. */
#include "agent/audit_run.h"
#include "agent/doctor_run.h"
#include "agent/drivers/iis.h"
#include "agent/dump_run.h"
#include "agent/guardian.h"
#include "agent/home.h"
#include "agent/identity.h"
#include "agent/join.h"
#include "agent/settings.h"
#include "agent/shell.h"
#include "agent/verbs.h"
#include "common/http.h"
#include "common/log.h"
#include "common/options.h"
#include "common/program.h"
#include "common/service.h"
#include "common/text.h"
#include "proto/url.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "farmhand-agent - looks after the web server of this machine for a Farmhand coordinator\n"
    "\n"
    "usage: farmhand-agent [--config FILE] [--check]\n"
    "       farmhand-agent join URL TOKEN [--name NAME] [--config FILE] [--wait LENGTH]\n"
    "       farmhand-agent doctor [--config FILE] [--json]\n"
    "       farmhand-agent audit [verify] [--config FILE] [--json] ...\n"
    "       farmhand-agent worker dump PID [--full] [--to FILE] ...\n"
    "\n"
    "  --config FILE  the configuration, %s by default\n"
    "  --check        read the whole configuration, say what is wrong with it, and end\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "  join           let this server into a farm: `farmhand token create` prints the line\n"
    "  doctor         look at this server, say what is right and wrong, change nothing\n"
    "  audit          what this agent was ordered and what it decided; has its own --help\n"
    "  worker dump    a picture of one worker's memory in a file (on Windows); has its own --help\n"
    "\n"
    "Ends with 0 after being told to stop, 1 on a failure, 2 on wrong options or configuration.\n"
    "%s";

static int fail(const char *what, const struct error *err)
{
    log_error("agent_failed", LOG_TEXT("what", what), LOG_TEXT("error", err->text));
    return EXIT_FAILURE;
}

static int run(const struct settings *settings, struct identity *identity)
{
    struct error err = {0};
    struct driver *driver = NULL;
    struct shell *shell = NULL;
    http_start();
    if (iis_open(&settings->iis, &driver, &err) != ERR_NONE)
        return fail("driver", &err);
    if (shell_open(settings, identity, driver, &shell, &err) != ERR_NONE)
        return fail("start", &err);
    if (service_start(shell_wake, shell, &err) != ERR_NONE)
        return fail("service", &err);
    service_ready();
    shell_run(shell);
    return EXIT_SUCCESS;
}

/* As whom, in which farm. */
static int start(struct settings *settings)
{
    static struct identity identity; /* lives as long as the process */
    struct error err = {0};
    enum error_code code = identity_read(settings->data_dir, &identity, &err);
    bool joined = code == ERR_NONE;
    if (code == ERR_NOT_FOUND || joined)
        code = settings_apply(settings, joined ? &identity : NULL, &err);
    if (code != ERR_NONE)
        return fail("identity", &err);
    return run(settings, wire_url_has_tls(settings->coordinator) ? &identity : NULL);
}

static int agent(int argc, char **argv)
{
    struct text words = {0}; /* lives as long as the process */
    text_addf(&words, help, home_config(), verbs_help);
    const struct options_program program = {
        .name = "farmhand-agent", .help = words.data, .config = home_config()};
    struct options options;
    struct settings settings;
    struct error err = {0};
    bool told = false;
    if (argc > 1 && text_equal(argv[1], "doctor"))
        return doctor_main(argc - 1, argv + 1);
    if (argc > 1 && text_equal(argv[1], "audit"))
        return audit_main(argc - 1, argv + 1);
    if (argc > 1 && text_equal(argv[1], "worker"))
        return dump_main(argc - 1, argv + 1);
    if (argc > 1 && text_equal(argv[1], "join"))
        return join_main(argc - 1, argv + 1);
    if (argc > 1 && text_equal(argv[1], "guardian"))
        return guardian_main(argc - 1, argv + 1);
    int end = options_parse(&program, argc, argv, &options);
    if (end >= 0)
        return end;
    if (settings_read(options.config, &settings, options_config_line, &told, &err) != ERR_NONE)
        return options_config_refused(&program, told, &err);
    if (options.check) {
        printf("%s: the configuration is right\n", options.config);
        settings_reset(&settings);
        return EXIT_SUCCESS;
    }
    log_set_level((enum log_level)settings.log_level);
    return start(&settings);
}

/* No exit(): closing an agent's TLS socket can hang, and so can a driver call under way, which may
 * go on without us. The journal needs no closing. */
int main(int argc, char **argv)
{
    program_start(&argc, &argv);
    const struct service_name service = {.name = "FarmhandAgent",
                                         .display = "Farmhand Agent",
                                         .log_dir = home_logs(),
                                         .log = "agent",
                                         .prepare = verbs_prepare,
                                         .settle = verbs_settle};
    int end = verbs_run(&service, argc, argv);
    if (end >= 0)
        return end;
    service_run(&service, argc, argv, agent);
}
