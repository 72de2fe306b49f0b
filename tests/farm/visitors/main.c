/* lab-visitors - steady visitors of a web farm who remember everything that went wrong.
 *
 * Options, wiring, loop. SIGUSR1 writes the report to --out; SIGTERM and SIGINT stop sending, wait
 * for the answers still due, write the report and end.
 */
#include "tests/farm/visitors/crowd.h"
#include "tests/farm/visitors/desk.h"

#include "common/os.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

static const char usage[] =
    "usage: lab-visitors --to ADDRESS:PORT [--rate N] [--timeout DURATION] [--host NAME]\n"
    "                    [--path [WEIGHT:]PATH]... [--out FILE] [--socket FILE] [--for DURATION]\n"
    "Visits at a fixed rate (default 200 a second) until it is told to stop; a third are POSTs,\n"
    "half go over kept-alive connections. An answer later than the timeout (5s) is a failure.\n"
    "  --out FILE     the report as JSON: on SIGUSR1, and at the end (default: standard output)\n"
    "  --socket FILE  ask here while it runs: the line 'report', or 'phase NAME'\n";

struct program {
    struct crowd_options crowd;
    const char *out, *socket;
    uint64_t for_ms; /* 0: until told to stop */
};

/* Signals arrive as bytes on a descriptor, between two rounds. */
struct ears {
    struct source source; /* first */
    int fd;
    struct crowd *crowd;
    const char *out;
};

static bool parse_address(const char *text, struct sockaddr_in *out)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || (size_t)(colon - text) >= sizeof(host) ||
        !text_parse_u64(colon + 1, 1, 65535, &port))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

/* "3:/slow?ms=50", or a path alone, which weighs 1. */
static bool parse_path(const char *text, struct crowd_options *options)
{
    if (options->path_count == CROWD_PATHS_MAX)
        return false;
    struct crowd_path path = {.path = text, .weight = 1};
    const char *colon = text[0] == '/' ? NULL : strchr(text, ':');
    if (colon) {
        path.weight = (unsigned)strtoul(text, NULL, 10);
        path.path = colon + 1;
    }
    bool fits = strlen(path.path) < 512 && !strpbrk(path.path, " \r\n\t");
    if (path.path[0] != '/' || !fits || path.weight < 1 || path.weight > 1000)
        return false;
    options->paths[options->path_count++] = path;
    return true;
}

static bool take_option(struct program *p, int option, const char *value)
{
    uint64_t number;
    switch (option) {
    case 't':
        return parse_address(value, &p->crowd.to);
    case 'r':
        if (!text_parse_u64(value, 1, 10000, &number))
            return false;
        p->crowd.rate = (unsigned)number;
        return true;
    case 'T':
        return text_parse_duration(value, &p->crowd.timeout_ms) && p->crowd.timeout_ms > 0;
    case 'H':
        p->crowd.host = value;
        return strlen(value) < 128 && !strpbrk(value, " \r\n\t");
    case 'p':
        return parse_path(value, &p->crowd);
    case 'o':
        p->out = value;
        return true;
    case 's':
        p->socket = value;
        return true;
    case 'f':
        return text_parse_duration(value, &p->for_ms);
    default:
        return false;
    }
}

/* 0: go on; otherwise the exit code, with everything said. */
static int parse_options(int argc, char **argv, struct program *p)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},      {"rate", required_argument, NULL, 'r'},
        {"timeout", required_argument, NULL, 'T'}, {"host", required_argument, NULL, 'H'},
        {"path", required_argument, NULL, 'p'},    {"out", required_argument, NULL, 'o'},
        {"socket", required_argument, NULL, 's'},  {"for", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (option == '?' || !take_option(p, option, optarg)) {
            if (option != '?')
                fprintf(stderr, "lab-visitors: '%s' is not a value for this option\n", optarg);
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind != argc || p->crowd.to.sin_port == 0) {
        fputs(usage, stderr);
        return 2;
    }
    if (p->crowd.path_count == 0)
        parse_path("/", &p->crowd);
    return 0;
}

static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool write_report(const struct crowd *crowd, const char *out)
{
    json_t *json = crowd_report(crowd);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    struct error err = {0};
    bool written = true;
    if (!out)
        written = text && puts(text) >= 0 && fflush(stdout) == 0;
    else if (os_write_file(out, text, strlen(text), 0644, &err) != ERR_NONE)
        written = false;
    if (!written)
        fprintf(stderr, "lab-visitors: the report is lost: %s\n", err.text);
    free(text);
    return written;
}

static void ears_ready(struct source *source)
{
    struct ears *e = (struct ears *)source;
    struct signalfd_siginfo info;
    while (read(e->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGUSR1)
            write_report(e->crowd, e->out);
        else
            crowd_stop(e->crowd);
    }
}

static bool open_ears(struct ears *e, struct poller *poller, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    e->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (e->fd >= 0 && poller_add(poller, e->fd, &e->source))
        return true;
    error_errno(err, errno, "signalfd");
    return false;
}

static void set_end(uint64_t for_ms)
{
    struct itimerval when = {.it_value = {.tv_sec = (time_t)(for_ms / 1000),
                                          .tv_usec = (suseconds_t)(for_ms % 1000) * 1000}};
    setitimer(ITIMER_REAL, &when, NULL); /* SIGALRM stops like SIGTERM; 0: never */
}

static int run(const struct program *p)
{
    struct error err = {0};
    int code = 1;
    struct poller *poller = poller_open(&err);
    struct ears ears = {.source = {ears_ready}, .fd = -1, .out = p->out};
    struct desk *desk = NULL;
    if (!poller || !open_ears(&ears, poller, &err))
        goto out;
    set_end(p->for_ms);
    ears.crowd = crowd_open(poller, &p->crowd, &err);
    if (!ears.crowd)
        goto out;
    if (p->socket && !(desk = desk_open(poller, ears.crowd, p->socket, &err)))
        goto out;
    while (!crowd_is_over(ears.crowd))
        crowd_turn(ears.crowd, poller_wait(poller));
    code = write_report(ears.crowd, p->out) ? 0 : 1;
out:
    if (err.code)
        fprintf(stderr, "lab-visitors: %s\n", err.text);
    desk_close(desk);
    crowd_close(ears.crowd);
    if (ears.fd >= 0)
        close(ears.fd);
    poller_close(poller);
    return code;
}

int main(int argc, char **argv)
{
    struct program program = {.crowd = {.host = "shop.example", .rate = 200, .timeout_ms = 5000}};
    int code = parse_options(argc, argv, &program);
    if (code != 0)
        return code;
    allow_many_files();
    return run(&program);
}
