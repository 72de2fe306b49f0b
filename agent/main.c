/* main.c - farmhand-agent: options, wiring, a clean end. */
#include "agent/drivers/iis.h"
#include "agent/settings.h"
#include "agent/shell.h"
#include "common/http.h"
#include "common/log.h"
#include "common/service.h"
#include "common/text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_USAGE 2

struct options {
    const char *config;
    bool check;
};

static const char help[] =
    "farmhand-agent - looks after the web server of this machine for a Farmhand coordinator\n"
    "\n"
    "usage: farmhand-agent [--config FILE] [--check]\n"
    "\n"
    "  --config FILE  the configuration, " SETTINGS_PATH " by default\n"
    "  --check        read the whole configuration, say what is wrong with it, and end\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "\n"
    "Ends with 0 after being told to stop, 1 on a failure, 2 on wrong options or configuration.\n";

/* Returns the exit code to end with at once, or -1 to go on. */
static int parse(int argc, char **argv, struct options *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int option;
    *out = (struct options){.config = SETTINGS_PATH};
    while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 'k':
            out->check = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_SUCCESS;
        case 'V':
            puts("farmhand-agent " FARMHAND_VERSION);
            return EXIT_SUCCESS;
        default: /* getopt has said what is wrong */
            fputs("Try: farmhand-agent --help\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "farmhand-agent: unexpected argument %s\nTry: farmhand-agent --help\n",
            argv[optind]);
    return EXIT_USAGE;
}

static void print_line(void *arg, const char *line)
{
    fprintf(arg, "%s\n", line);
}

static int fail(const char *what, const struct error *err)
{
    log_error("agent_failed", LOG_TEXT("what", what), LOG_TEXT("error", err->text));
    return EXIT_FAILURE;
}

static int run(const struct settings *settings)
{
    struct error err = {0};
    struct driver *driver = NULL;
    struct shell *shell = NULL;
    http_start();
    if (iis_open(&settings->iis, &driver, &err) != ERR_NONE)
        return fail("driver", &err);
    if (shell_open(settings, driver, &shell, &err) != ERR_NONE)
        return fail("start", &err);
    if (service_start(shell_wake, shell, &err) != ERR_NONE)
        return fail("service", &err);
    service_ready();
    shell_run(shell);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options options;
    struct settings settings;
    int end = parse(argc, argv, &options);
    if (end >= 0)
        return end;
    if (settings_read(options.config, &settings, print_line, stderr, NULL) != ERR_NONE)
        return EXIT_USAGE;
    if (options.check) {
        printf("%s: the configuration is right\n", options.config);
        settings_reset(&settings);
        return EXIT_SUCCESS;
    }
    log_set_level((enum log_level)settings.log_level);
    end = run(&settings);
    /* Not exit(): closing an agent's TLS socket can hang, and so can a driver call under way, which
     * may go on without us. The journal needs no closing. */
    fflush(NULL);
    _exit(end);
}
