/* show.c - farm status and truth and counts: how it stands, and what was really done. */
#include "tests/farm/farm/ask.h"
#include "tests/farm/farm/parts.h"
#include "tests/farm/farm/proc.h"
#include "tests/farm/farm/verbs.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_json(json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    if (!text)
        return 1;
    puts(text);
    free(text);
    return 0;
}

/* --- status --- */

static void add_process(json_t *processes, const struct farm *f, const char *name)
{
    pid_t pid = proc_pid(f, name);
    json_object_set_new(processes, name, pid ? json_integer(pid) : json_null());
}

static json_t *processes_json(const struct farm *f)
{
    char name[32];
    json_t *processes = json_object();
    add_process(processes, f, "coordinator");
    add_process(processes, f, "haproxy");
    add_process(processes, f, "visitors");
    for (unsigned i = 0; i < f->servers; i++) {
        parts_agent_name(name, i);
        add_process(processes, f, name);
    }
    return processes;
}

static void add_line(void *arg, const char *backend, const char *server, const char *status,
                     const char *sessions)
{
    json_t *backends = arg;
    json_t *lines = json_object_get(backends, backend);
    if (!lines) {
        lines = json_object();
        json_object_set_new(backends, backend, lines);
    }
    json_object_set_new(lines, server,
                        json_pack("{s:s, s:i}", "status", status, "sessions", atoi(sessions)));
}

static json_t *status_json(const struct farm *f)
{
    json_t *backends = json_object();
    if (f->balancer)
        ask_balancer(f, add_line, backends, NULL);
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:o, s:o}", "dir", f->dir, "run", f->run, "servers",
                     (int)f->servers, "front_port", (int)farm_port_front(f), "stats_port",
                     (int)farm_port_stats(f), "processes", processes_json(f), "backends", backends);
}

static const char *line_status(const json_t *status, const char *backend, const char *server)
{
    const json_t *lines = json_object_get(json_object_get(status, "backends"), backend);
    const char *text = json_string_value(json_object_get(json_object_get(lines, server), "status"));
    return text ? text : "-";
}

static const char *running(const json_t *status, const char *process)
{
    const json_t *pid = json_object_get(json_object_get(status, "processes"), process);
    return json_is_integer(pid) ? "running" : "-";
}

static void print_status(const struct farm *f, const json_t *status)
{
    char name[FARM_NAME_MAX], agent[32];
    printf("%s\n  coordinator %s, haproxy %s, visitors %s\n\n", f->dir,
           running(status, "coordinator"), running(status, "haproxy"), running(status, "visitors"));
    printf("  %-8s %-9s %-6s %-10s %-10s\n", "SERVER", "AGENT", "PORT", "shop", "api");
    for (unsigned i = 0; i < f->servers; i++) {
        farm_server_name(name, i);
        parts_agent_name(agent, i);
        printf("  %-8s %-9s %-6u %-10s %-10s\n", name, running(status, agent),
               farm_port_server(f, i), line_status(status, "shop", name),
               line_status(status, "api", name));
    }
}

int verb_status(int argc, char **argv)
{
    struct farm f;
    bool as_json = verb_flag(&argc, argv, "--json");
    if (!verb_open(&argc, argv, &f))
        return 1;
    json_t *status = status_json(&f);
    if (as_json)
        return print_json(status);
    print_status(&f, status);
    json_decref(status);
    return 0;
}

/* --- truth --- */

static int truth_all(const struct farm *f)
{
    char name[FARM_NAME_MAX];
    struct error err = {0};
    json_t *all = json_object();
    for (unsigned i = 0; i < f->servers; i++) {
        farm_server_name(name, i);
        json_t *one = ask_truth(f, i, &err);
        if (!one) {
            json_decref(all);
            return verb_fail(&err);
        }
        json_object_set_new(all, name, one);
    }
    return print_json(all);
}

int verb_truth(int argc, char **argv)
{
    struct farm f;
    struct error err = {0};
    unsigned index;
    bool all = verb_flag(&argc, argv, "--all");
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (all)
        return truth_all(&f);
    if (argc != 1) {
        fprintf(stderr, "usage: farm truth SERVER|--all\n");
        return 2;
    }
    if (farm_server_find(&f, argv[0], &index, &err) != ERR_NONE) {
        verb_fail(&err);
        return 2;
    }
    json_t *truth = ask_truth(&f, index, &err);
    return truth ? print_json(truth) : verb_fail(&err);
}

/* --- counts --- */

static json_int_t number_at(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

/* Prints one server's line; -1 if the lab does not answer, else the recycles somebody ordered. */
static json_int_t print_counts(const struct farm *f, unsigned index, const char *pool_name)
{
    char name[FARM_NAME_MAX];
    struct error err = {0};
    farm_server_name(name, index);
    json_t *truth = ask_truth(f, index, &err);
    if (!truth) {
        verb_fail(&err);
        return -1;
    }
    const json_t *pool = json_object_get(json_object_get(truth, "pools"), pool_name);
    json_int_t ordered = number_at(json_object_get(pool, "recycles_by"), "admin");
    printf("  %-8s recycled %lld time%s, lost %lld requests in workers that ended\n", name,
           (long long)ordered, ordered == 1 ? "" : "s", (long long)number_at(pool, "lost"));
    json_decref(truth);
    return ordered;
}

int verb_counts(int argc, char **argv)
{
    struct farm f;
    uint64_t expected = 0;
    const char *word = verb_option(&argc, argv, "--expect");
    if (!verb_open(&argc, argv, &f))
        return 1;
    if (argc != 1 || (word && !text_parse_u64(word, 0, 1000000, &expected))) {
        fprintf(stderr, "usage: farm counts POOL [--expect N]\n");
        return 2;
    }
    bool as_expected = true;
    for (unsigned i = 0; i < f.servers; i++) {
        json_int_t ordered = print_counts(&f, i, argv[0]);
        if (ordered < 0)
            return 1;
        as_expected = as_expected && (!word || (uint64_t)ordered == expected);
    }
    return as_expected ? 0 : 4;
}
