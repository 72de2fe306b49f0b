/* up.c - farm up: makes a farm and returns when all of it is of use. */
#include "tests/farm/farm/configs.h"
#include "tests/farm/farm/enrol.h"
#include "tests/farm/farm/parts.h"
#include "tests/farm/farm/proc.h"
#include "tests/farm/farm/verbs.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct up {
    struct farm farm;
    struct configs_overrides overrides;
    int guarded_pid; /* 0: nobody's */
    bool quiet;
};

static bool take_number(int *argc, char **argv, const char *name, unsigned max, unsigned *out)
{
    uint64_t number;
    const char *value = verb_option(argc, argv, name);
    if (!value)
        return true;
    if (!text_parse_u64(value, 1, max, &number)) {
        fprintf(stderr, "farm up: %s takes a number from 1 to %u, not '%s'\n", name, max, value);
        return false;
    }
    *out = (unsigned)number;
    return true;
}

static bool take_list(int *argc, char **argv, const char *name, const char **list, size_t *count)
{
    const char *value;
    while ((value = verb_option(argc, argv, name))) {
        if (*count == CONFIGS_OVERRIDES_MAX) {
            fprintf(stderr, "farm up: more than %d times %s\n", CONFIGS_OVERRIDES_MAX, name);
            return false;
        }
        list[(*count)++] = value;
    }
    return true;
}

static bool take_balancer(int *argc, char **argv, struct farm *f)
{
    const char *value = verb_option(argc, argv, "--balancer");
    if (value && strcmp(value, "none") != 0 && strcmp(value, "haproxy") != 0) {
        fprintf(stderr, "farm up: --balancer takes none or haproxy, not '%s'\n", value);
        return false;
    }
    f->balancer = !value || strcmp(value, "haproxy") == 0;
    return true;
}

static bool take_options(int argc, char **argv, struct up *up)
{
    struct farm *f = &up->farm;
    struct configs_overrides *o = &up->overrides;
    struct error err = {0};
    unsigned guarded = 0;
    const char *dir = verb_option(&argc, argv, "--dir");
    dir = dir ? dir : getenv("FARM_DIR");
    f->agents = !verb_flag(&argc, argv, "--no-agents");
    f->traffic = verb_flag(&argc, argv, "--traffic");
    f->windows = verb_flag(&argc, argv, "--windows");
    f->tls = verb_flag(&argc, argv, "--tls");
    up->quiet = verb_flag(&argc, argv, "--quiet");
    if (!take_number(&argc, argv, "--servers", FARM_SERVERS_MAX, &f->servers) ||
        !take_number(&argc, argv, "--rate", 10000, &f->rate) ||
        !take_number(&argc, argv, "--slow-page", 4000, &f->slow_ms) ||
        !take_number(&argc, argv, "--garden", 16, &o->garden) ||
        !take_number(&argc, argv, "--while", 1u << 30, &guarded) ||
        !take_balancer(&argc, argv, f) ||
        !take_list(&argc, argv, "--agent", o->agent, &o->agent_count) ||
        !take_list(&argc, argv, "--coordinator", o->coordinator, &o->coordinator_count) ||
        !take_list(&argc, argv, "--lab", o->lab, &o->lab_count) || verb_stray(argc, argv))
        return false;
    up->guarded_pid = (int)guarded;
    if (argc > 0 || !dir) {
        fprintf(stderr,
                argc > 0 ? "farm up: what is '%s'?\n"
                         : "farm up: where? Give --dir DIR or set FARM_DIR\n",
                argc > 0 ? argv[0] : "");
        return false;
    }
    if (farm_absolute(f->dir, dir, &err) == ERR_NONE)
        return true;
    verb_fail(&err);
    return false;
}

static void say(const struct up *up, const char *text)
{
    if (!up->quiet) {
        printf("%s\n", text);
        fflush(stdout);
    }
}

static enum error_code start_agents(const struct up *up, struct error *err)
{
    enum error_code code = up->farm.tls ? enrol_init(&up->farm, err) : ERR_NONE;
    if (code == ERR_NONE)
        code = parts_start_coordinator(&up->farm, err);
    if (code == ERR_NONE && up->farm.tls)
        code = enrol_join_all(&up->farm, err);
    for (unsigned i = 0; i < up->farm.servers && code == ERR_NONE; i++)
        code = parts_start_agent(&up->farm, i, err);
    return code;
}

/* Everything after the record is written: what fails here is taken down again. */
static enum error_code start_all(const struct up *up, struct error *err)
{
    const struct farm *f = &up->farm;
    enum error_code code = ERR_NONE;
    if (up->guarded_pid)
        code = parts_start_guard(f, up->guarded_pid, err);
    if (code == ERR_NONE)
        code = configs_write(f, &up->overrides, err);
    if (code == ERR_NONE)
        code = parts_create_servers(f, err);
    say(up, "starting the lab servers");
    if (code == ERR_NONE)
        code = parts_start_servers(f, err);
    if (f->agents)
        say(up, "starting the coordinator and the agents");
    if (code == ERR_NONE && f->agents)
        code = start_agents(up, err);
    if (code == ERR_NONE && f->balancer)
        code = parts_start_balancer(f, err);
    if (code == ERR_NONE && f->agents)
        code = parts_wait_agents(f, err);
    if (code == ERR_NONE && f->balancer)
        code = parts_wait_balancer(f, err);
    if (code == ERR_NONE && f->traffic)
        code = parts_start_visitors(f, err);
    return code;
}

static void show_result(const struct up *up)
{
    const struct farm *f = &up->farm;
    if (up->quiet)
        return;
    printf("%u servers are up in %s\n", f->servers, f->dir);
    if (f->balancer)
        printf("  visitors' address  http://127.0.0.1:%u/\n"
               "  balancer's page    http://127.0.0.1:%u/\n",
               farm_port_front(f), farm_port_stats(f));
    if (f->agents)
        printf("  coordinator        %s/farmhand.sock\n", f->run);
}

int verb_up(int argc, char **argv)
{
    struct error err = {0}, ignored = {0};
    struct up up = {.farm = {.servers = 8, .rate = 200}, .overrides = {.garden = 1}};
    if (!take_options(argc, argv, &up))
        return 2;
    proc_catch_stop();
    if (farm_create(&up.farm, &err) != ERR_NONE)
        return verb_fail(&err);
    if (start_all(&up, &err) != ERR_NONE) {
        verb_fail(&err);
        fprintf(stderr, "farm: taking down what was started; the logs stay in %s/logs\n",
                up.farm.dir);
        proc_ignore_stop();
        farm_down(&up.farm, false, &ignored);
        return 1;
    }
    show_result(&up);
    return 0;
}
