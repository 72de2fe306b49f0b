#include "common/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

int options_usage(const struct options_program *program)
{
    fprintf(stderr, "Try: %s --help\n", program->name);
    return OPTIONS_EXIT_USAGE;
}

int options_refused(const struct options_program *program, const char *what, const char *value)
{
    fprintf(stderr, "%s: %s%s\n", program->name, what, value);
    return options_usage(program);
}

int options_parse(const struct options_program *program, int argc, char **argv, struct options *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int option;
    *out = (struct options){.config = program->config};
    while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 'k':
            out->check = true;
            break;
        case 'h':
            fputs(program->help, stdout);
            return EXIT_SUCCESS;
        case 'V':
            printf("%s %s\n", program->name, FARMHAND_VERSION);
            return EXIT_SUCCESS;
        default: /* getopt has said what is wrong */
            return options_usage(program);
        }
    }
    if (optind == argc) {
        return -1;
    }
    return options_refused(program, "unexpected argument ", argv[optind]);
}

void options_config_line(void *told, const char *line)
{
    *(bool *)told = true;
    fprintf(stderr, "%s\n", line);
}

int options_config_refused(const struct options_program *program, bool told,
                           const struct error *err)
{
    if (!told) {
        fprintf(stderr, "%s: %s\n", program->name, err->text);
    }
    return OPTIONS_EXIT_USAGE;
}
