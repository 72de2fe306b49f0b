/* init.c - see init.h. */
#include "coordinator/init.h"

#include "common/clock.h"
#include "common/options.h"
#include "common/os.h"
#include "common/text.h"
#include "coordinator/enrol/ca.h"
#include "coordinator/settings/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOSTS_MAX 16

static const char help[] =
    "farmhand-coordinator init - makes the farm's CA and the coordinator's own certificate, once\n"
    "\n"
    "usage: farmhand-coordinator init [--config FILE] [--name HOST]...\n"
    "\n"
    "  --config FILE  the configuration, which names data_dir; %s by default\n"
    "  --name HOST    a name or address by which operators will reach the coordinator from afar;\n"
    "                 this machine's name, localhost and 127.0.0.1 are there anyhow\n"
    "\n"
    "The keys are written to data_dir/tls, readable by their owner alone: run it as the user that\n"
    "the coordinator runs as. Keep a copy of that directory in a safe place: whoever has ca.key "
    "can\n"
    "let anybody into the farm. Ends with 0, 1 on a failure, 2 on wrong options.\n";

struct wish {
    const char *config;
    const char *hosts[HOSTS_MAX + 1];
    size_t host_count;
};

static int usage(const char *what)
{
    fprintf(stderr, "farmhand-coordinator init: %s; --help tells more\n", what);
    return OPTIONS_EXIT_USAGE;
}

/* -1: go on. */
static int parse(int argc, char **argv, struct wish *w)
{
    for (int i = 1; i < argc; i++) {
        if (text_equal(argv[i], "--help")) {
            printf(help, w->config);
            return EXIT_SUCCESS;
        }
        if (i + 1 < argc && text_equal(argv[i], "--config"))
            w->config = argv[++i];
        else if (i + 1 < argc && text_equal(argv[i], "--name") && w->host_count < HOSTS_MAX - 3)
            w->hosts[w->host_count++] = argv[++i];
        else
            return usage("expected --config FILE or --name HOST");
    }
    return -1;
}

static int tell(const char *dir)
{
    struct error err = {0};
    struct ca *ca = NULL;
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    if (ca_open(dir, 0, clock_wall_ms(), &ca, &err) != ERR_NONE) {
        fprintf(stderr, "farmhand-coordinator init: %s\n", err.text);
        return EXIT_FAILURE;
    }
    ca_fingerprint(ca, digest);
    ca_close(ca);
    printf(
        "The farm's CA is made, in %s (keep a copy in a safe place).\nSHA-256 of its "
        "certificate: %s\nNext: start the coordinator, then `farmhand token create`, which prints "
        "the line\nthat lets a server join.\n",
        dir, sha256_hex(digest, hex));
    if (geteuid() == 0)
        printf("These files belong to root now: if the coordinator runs as another user, give them "
               "to it\n(chown -R farmhand: %s).\n",
               dir);
    return EXIT_SUCCESS;
}

static int make(const struct settings *settings, struct wish *w)
{
    struct error err = {0};
    char dir[512], host[256];
    if (os_hostname(host, sizeof(host), NULL) == ERR_NONE)
        w->hosts[w->host_count++] = host;
    w->hosts[w->host_count++] = "localhost";
    w->hosts[w->host_count++] = "127.0.0.1";
    enum error_code code = os_make_dir(settings->data_dir, 0750, &err);
    if (code == ERR_NONE && !text_format(dir, sizeof(dir), "%s/tls", settings->data_dir))
        code = error_set(&err, ERR_INVALID, "data_dir: the path is too long");
    code = code ? code : ca_make(dir, w->hosts, clock_wall_ms(), &err);
    if (code == ERR_NONE)
        return tell(dir);
    fprintf(stderr, "farmhand-coordinator init: %s\n", err.text);
    return EXIT_FAILURE;
}

int init_main(int argc, char **argv, const char *config)
{
    struct wish w = {.config = config};
    struct settings settings;
    struct error err = {0};
    bool told = false;
    static const struct options_program program = {.name = "farmhand-coordinator init"};
    int end = parse(argc, argv, &w);
    if (end >= 0)
        return end;
    if (settings_read(w.config, &settings, options_config_line, &told, &err) != ERR_NONE)
        return options_config_refused(&program, told, &err);
    end = make(&settings, &w);
    settings_release(&settings);
    return end;
}
