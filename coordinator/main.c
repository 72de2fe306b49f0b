/* main.c - farmhand-coordinator: options, configuration, a clean end. */
#include "common/log.h"
#include "common/service.h"
#include "coordinator/settings.h"
#include "coordinator/shell.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONFIG_PATH "/etc/farmhand/coordinator.conf"
#define EXIT_USAGE  2

struct options {
    const char *config;
    bool check;
};

static const char help[] =
    "farmhand-coordinator - keeps the history of a farm of web servers and walks it, one server\n"
    "at a time\n"
    "\n"
    "usage: farmhand-coordinator [--config FILE] [--check]\n"
    "\n"
    "  --config FILE  the configuration, " CONFIG_PATH " by default\n"
    "  --check        read the whole configuration, say what is wrong with it, and end\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "\n"
    "Ends with 0 after being told to stop, 1 on a failure, 2 on wrong options or configuration.\n"
    "Operators talk to it with the command farmhand.\n";

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
    *out = (struct options){.config = CONFIG_PATH};
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
            puts("farmhand-coordinator " FARMHAND_VERSION);
            return EXIT_SUCCESS;
        default: /* getopt has said what is wrong */
            fputs("Try: farmhand-coordinator --help\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr,
            "farmhand-coordinator: unexpected argument %s\nTry: farmhand-coordinator --help\n",
            argv[optind]);
    return EXIT_USAGE;
}

static void print_line(void *arg, const char *line)
{
    *(bool *)arg = true;
    fprintf(stderr, "%s\n", line);
}

/* What cannot be read at all has no line of its own. */
static bool read_settings(const char *path, struct settings *out)
{
    struct error err = {0};
    bool told = false;
    if (settings_read(path, out, print_line, &told, &err) == ERR_NONE)
        return true;
    if (!told)
        fprintf(stderr, "farmhand-coordinator: %s\n", err.text);
    return false;
}

static int run(const struct settings *settings)
{
    struct error err = {0};
    struct shell *shell = NULL;
    if (shell_open(settings, &shell, &err) != ERR_NONE) {
        log_error("start_failed", LOG_TEXT("error", err.text));
        return EXIT_FAILURE;
    }
    service_ready();
    shell_run(shell);
    shell_close(shell);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options options;
    struct settings settings;
    int end = parse(argc, argv, &options);
    if (end >= 0)
        return end;
    if (!read_settings(options.config, &settings))
        return EXIT_USAGE;
    if (options.check) {
        printf("%s: the configuration is right\n", options.config);
        end = EXIT_SUCCESS;
    } else {
        log_set_level((enum log_level)settings.log_level);
        end = run(&settings);
    }
    settings_release(&settings);
    return end;
}
