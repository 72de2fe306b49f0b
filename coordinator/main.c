/* main.c - farmhand-coordinator: options, configuration, a clean end. */
#include "common/log.h"
#include "common/options.h"
#include "common/program.h"
#include "common/service.h"
#include "common/text.h"
#include "coordinator/init.h"
#include "coordinator/reload.h"
#include "coordinator/settings/settings.h"
#include "coordinator/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONFIG_PATH "/etc/farmhand/coordinator.conf"

static const char help[] =
    "farmhand-coordinator - keeps the history of a farm of web servers and walks it, one server\n"
    "at a time\n"
    "\n"
    "usage: farmhand-coordinator [--config FILE] [--check]\n"
    "       farmhand-coordinator init [--config FILE] [--name HOST]...\n"
    "\n"
    "  --config FILE  the configuration, " CONFIG_PATH " by default\n"
    "  --check        read the whole configuration, say what is wrong with it, and end\n"
    "  --version      print the version\n"
    "  --help         print this\n"
    "  init           make the farm's CA and the coordinator's certificate, once\n"
    "\n"
    "Ends with 0 after being told to stop, 1 on a failure, 2 on wrong options or configuration.\n"
    "Operators talk to it with the command farmhand.\n";

static const struct options_program program = {
    .name = "farmhand-coordinator", .help = help, .config = CONFIG_PATH};

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
    struct error err = {0};
    bool told = false;
    program_start(&argc, &argv);
    if (argc > 1 && text_equal(argv[1], "init"))
        return init_main(argc - 1, argv + 1, CONFIG_PATH);
    int end = options_parse(&program, argc, argv, &options);
    if (end >= 0)
        return end;
    if (!options.check)
        reload_listen(); /* before the file is read, so that no change is missed */
    if (settings_read(options.config, &settings, options_config_line, &told, &err) != ERR_NONE)
        return options_config_refused(&program, told, &err);
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
