/* Enrolment with real processes: coordinator, agents and operator's command, TLS between them. No
 * farm: the agents have no web server to look after. */
#include "common/clock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000

struct farm {
    char dir[64];
    pid_t coordinator;
    char url[64];
    struct text out; /* of the last command */
};

static struct farm *farm_of(void **state)
{
    return *state;
}

/* ---- processes ---- */

FORMAT_PRINTF(2, 3) static int run(struct farm *f, const char *fmt, ...)
{
    struct text command = {0};
    char part[4096];
    size_t len;
    va_list args;
    va_start(args, fmt);
    text_vaddf(&command, fmt, args);
    va_end(args);
    text_add(&command, " 2>&1");
    text_reset(&f->out);
    FILE *pipe = popen(text_get(&command), "r");
    must(pipe != NULL);
    while ((len = fread(part, 1, sizeof(part), pipe)) > 0)
        text_add_bytes(&f->out, part, len);
    int status = pclose(pipe);
    text_reset(&command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_said(const struct farm *f, const char *words)
{
    if (!strstr(text_get(&f->out), words))
        fail_msg("\"%s\" is not in: %s", words, text_get(&f->out));
}

static pid_t start(const struct farm *f, const char *program, const char *config, const char *log)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", f->dir, log);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        must(freopen(path, "a", stdout) && freopen(path, "a", stderr));
        execl(program, program, "--config", config, (char *)NULL);
        _exit(127);
    }
    must(pid > 0);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGTERM);
    for (int i = 0; i < 500; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return;
        clock_sleep_ms(10);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void write_in(const struct farm *f, const char *name, const char *content)
{
    char path[256];
    struct error err = {0};
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    if (os_write_file(path, content, strlen(content), 0600, &err) != ERR_NONE)
        fail_msg("%s", err.text);
}

static char *read_in(const struct farm *f, const char *name)
{
    char path[256], *text = NULL;
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return os_read_file(path, 1 << 24, &text, NULL, NULL) == ERR_NONE ? text : strdup("");
}

/* Waits until the command says it. */
#define UNTIL(f, words, ...) UNTIL_IN(WAIT_MS, f, words, __VA_ARGS__)
#define UNTIL_IN(limit_ms, f, words, ...)                                                          \
    do {                                                                                           \
        uint64_t until_ = clock_boot_ms() + (limit_ms);                                            \
        do {                                                                                       \
            run((f), __VA_ARGS__);                                                                 \
            if (clock_boot_ms() > until_)                                                          \
                expect_said((f), (words));                                                         \
            clock_sleep_ms(50);                                                                    \
        } while (!strstr(text_get(&(f)->out), (words)));                                           \
    } while (0)

#define CLI(f, words) "%s --socket %s/s " words, COMMAND, (f)->dir

/* ---- a farm ---- */

static void start_coordinator(struct farm *f)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/c.conf", f->dir);
    f->coordinator = start(f, COORDINATOR, path, "c.log");
    UNTIL(f, "it is there", CLI(f, "token list >/dev/null 2>&1 && echo it is there"));
    UNTIL(f, "https_port=", "grep -o 'https_port=[0-9]*' %s/c.log | tail -1", f->dir);
    snprintf(f->url, sizeof(f->url), "https://127.0.0.1:%ld",
             strtol(strchr(text_get(&f->out), '=') + 1, NULL, 10));
}

static void configure(struct farm *f, const char *listen, unsigned life_s)
{
    char content[512];
    snprintf(content, sizeof(content),
             "[coordinator]\nlisten = tls+tcp://%s\nhttps = 127.0.0.1:0\naddress = 127.0.0.1\n"
             "socket = %s/s\ndata_dir = %s/d\nsettle = 0\nsilent_after = 4s\n"
             "certificate_life = %us\nown_certificate_life = %us\n",
             listen, f->dir, f->dir, life_s, life_s);
    write_in(f, "c.conf", content);
}

static struct farm *farm_new(unsigned life_s)
{
    struct farm *f = must_alloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/farmhand-enrol-XXXXXX");
    must(mkdtemp(f->dir) != NULL);
    configure(f, "127.0.0.1:0", life_s);
    assert_int_equal(run(f, "%s init --config %s/c.conf", COORDINATOR, f->dir), 0);
    expect_said(f, "SHA-256");
    start_coordinator(f);
    return f;
}

static void farm_free(struct farm *f)
{
    stop(f->coordinator);
    run(f, "rm -r %s", f->dir);
    text_reset(&f->out);
    free(f);
}

/* The token alone; `options` as for `farmhand token create`. */
static void make_token(struct farm *f, const char *options, char token[160])
{
    assert_int_equal(run(f, CLI(f, "token create --reason test --json %s"), options), 0);
    const char *at = strstr(text_get(&f->out), "fhj1.");
    must(at != NULL);
    size_t len = strcspn(at, "\"");
    must(len < 160);
    memcpy(token, at, len);
    token[len] = '\0';
}

static void make_agent(struct farm *f, const char *name, const char *more)
{
    char content[512], file[64];
    snprintf(file, sizeof(file), "%s.conf", name);
    snprintf(content, sizeof(content),
             "[agent]\nname = %s\ndata_dir = %s/%s\nheartbeat = 1s\nreconnect_min = 200ms\n"
             "reconnect_max = 400ms\n%s[iis]\nappcmd = /bin/true\nworker = /bin/true\n"
             "config = /etc/hostname\n",
             name, f->dir, name, more);
    write_in(f, file, content);
}

static int join(struct farm *f, const char *name, const char *url, const char *token,
                const char *more)
{
    make_agent(f, name, "");
    return run(f, "echo %s | %s join %s - --config %s/%s.conf %s", token, AGENT, url, f->dir, name,
               more);
}

static pid_t start_agent(struct farm *f, const char *name)
{
    char path[256], log[64];
    snprintf(path, sizeof(path), "%s/%s.conf", f->dir, name);
    snprintf(log, sizeof(log), "%s.log", name);
    return start(f, AGENT, path, log);
}

/* ---- joining ---- */

static void server_joins_with_one_line(void **state)
{
    struct farm *f = farm_of(state);
    char token[160], *log;
    make_token(f, "--for 'web*' --label farm=web,zone=a --uses 2", token);
    assert_int_equal(join(f, "web01", f->url, token, ""), 0);
    expect_said(f, "in the profile observe");
    pid_t agent = start_agent(f, "web01");
    UNTIL(f, "fresh", CLI(f, "server list --on farm=web"));
    expect_said(f, "web01");
    /* Its own audit trail, beside it while it runs. */
    assert_int_equal(run(f, "%s audit --config %s/web01.conf", AGENT, f->dir), 0);
    expect_said(f, "obeys, fence 1 of ");
    assert_int_equal(run(f, "%s audit verify --config %s/web01.conf --json", AGENT, f->dir), 0);
    expect_said(f, "\"whole\": true");
    assert_int_equal(run(f, "%s audit verify --head 12 --config %s/web01.conf", AGENT, f->dir), 1);
    expect_said(f, "no row that is kept has that hash");
    /* Noted, met again, and missed: as if its end had been cut off since. */
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            run(f, "%s audit verify --note %s/note --config %s/web01.conf", AGENT, f->dir, f->dir),
            0);
    expect_said(f, "is the one that was noted in");
    assert_int_equal(run(f,
                         "sed -i 's/^/9/' %s/note; %s audit verify --note %s/note --config "
                         "%s/web01.conf",
                         f->dir, AGENT, f->dir, f->dir),
                     1);
    expect_said(f, "the last rows are missing");
    /* The secret is nowhere but where it was typed. */
    log = read_in(f, "c.log");
    assert_null(strstr(log, token + 60));
    free(log);
    assert_int_not_equal(run(f, "grep -raq '%s' %s/d", token + 60, f->dir), 0);
    /* Another machine's agent: the certificate decides who it is, not the file. */
    assert_int_equal(run(f,
                         "sed -i 's/^name = .*/name = web02/' %s/web01.conf; %s --config "
                         "%s/web01.conf",
                         f->dir, AGENT, f->dir),
                     1);
    expect_said(f, "the certificate of this server is for web01");
    stop(agent);
}

static void token_that_is_not_good_is_refused(void **state)
{
    struct farm *f = farm_of(state);
    char token[160], spoiled[160];
    make_token(f, "--for a1 --expires 1s", token);
    strcpy(spoiled, token);
    spoiled[50] = spoiled[50] == 'A' ? 'B' : 'A';
    assert_int_equal(join(f, "a1", f->url, spoiled, ""), 1);
    expect_said(f, "not whole");
    clock_sleep_ms(1100);
    assert_int_equal(join(f, "a1", f->url, token, ""), 1);
    expect_said(f, "has expired");
    make_token(f, "--for 'a*'", token);
    assert_int_equal(join(f, "a1", f->url, token, ""), 0);
    assert_int_equal(join(f, "a2", f->url, token, ""), 1);
    expect_said(f, "is used up");
    make_token(f, "--for a3", token);
    run(f, CLI(f, "token list --json"));
    const char *id = strstr(text_get(&f->out), "\"for\": \"a3\"");
    must(id != NULL);
    assert_int_equal(run(f,
                         "%s --socket %s/s token list --json | tr -d ' \\n' | grep -o "
                         "'\"id\":\"[0-9a-f]*\",\"for\":\"a3\"' | cut -d'\"' -f4",
                         COMMAND, f->dir),
                     0);
    char last[32];
    snprintf(last, sizeof(last), "%.16s", text_get(&f->out));
    assert_int_equal(
        run(f, "%s --socket %s/s token revoke %s --reason lost", COMMAND, f->dir, last), 0);
    assert_int_equal(join(f, "a3", f->url, token, ""), 1);
    expect_said(f, "was revoked");
}

static void coordinator_of_another_farm_is_told_nothing(void **state)
{
    struct farm *f = farm_of(state), *rogue = farm_new(3600);
    char token[160];
    make_token(f, "--for 'b*'", token);
    assert_int_equal(join(f, "b1", rogue->url, token, ""), 1);
    expect_said(f, "is not the coordinator that this token is from");
    char *log = read_in(rogue, "c.log");
    assert_null(strstr(log, "event=join"));
    free(log);
    farm_free(rogue);
}

static void name_that_is_taken_waits_for_a_person(void **state)
{
    struct farm *f = farm_of(state);
    char token[160];
    make_token(f, "--for 'c*' --uses 9", token);
    assert_int_equal(join(f, "c1", f->url, token, ""), 0);
    pid_t first = start_agent(f, "c1");
    UNTIL(f, "fresh", CLI(f, "server list --on c1"));
    assert_int_equal(run(f, "mv %s/c1 %s/c1-former", f->dir, f->dir), 0);
    assert_int_equal(join(f, "c1", f->url, token, "--wait 0"), 4);
    expect_said(f, "has joined already");
    assert_int_equal(join(f, "other", f->url, token, "--wait 0"), 4);
    expect_said(f, "the token is for c*");
    assert_int_equal(run(f, CLI(f, "server waiting")), 0);
    expect_said(f, "other");
    expect_said(f, "127.0.0.1");
    assert_int_equal(run(f, CLI(f, "server approve c1 --reason reinstalled")), 0);
    assert_int_equal(join(f, "c1", f->url, token, ""), 0); /* with the key it waited with */
    /* The former key is worth nothing: cut. */
    UNTIL(f, "link_down", "cat %s/c1.log", f->dir);
    stop(first);
    assert_int_equal(run(f, CLI(f, "server remove other --reason 'not ours'")), 0);
    assert_int_equal(run(f, CLI(f, "server waiting")), 0);
    expect_said(f, "No server waits");
}

/* ---- an answer that gets lost ---- */

/* The first connection is cut when the answer comes, of which nothing gets through: by what the
 * agent sent more than a handshake of TLS 1.2 takes (under 600 bytes) the request is told from it.
 * Those after it pass. */
#define HANDSHAKE_BYTES 800

static int connect_to(uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

/* Both ways until one of them ends. */
static void carry(int agent, int centre, bool cut)
{
    char bytes[4096];
    size_t asked = 0;
    for (;;) {
        struct pollfd fds[] = {{.fd = agent, .events = POLLIN}, {.fd = centre, .events = POLLIN}};
        must(poll(fds, 2, -1) > 0);
        bool from_agent = fds[0].revents != 0;
        ssize_t got = read(from_agent ? agent : centre, bytes, sizeof(bytes));
        if (got <= 0 || (!from_agent && cut && asked > HANDSHAKE_BYTES))
            return;
        asked += from_agent ? (size_t)got : 0;
        if (write(from_agent ? centre : agent, bytes, (size_t)got) != got)
            return;
    }
}

static pid_t start_cutter(uint16_t port, char url[64])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(door >= 0 && bind(door, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(door, 8) == 0 &&
         getsockname(door, (struct sockaddr *)&at, &len) == 0);
    snprintf(url, 64, "https://127.0.0.1:%u", ntohs(at.sin_port));
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        for (bool cut = true;; cut = false) {
            int agent = accept(door, NULL, NULL), centre = connect_to(port);
            carry(agent, centre, cut);
            close(agent);
            close(centre);
        }
    }
    must(pid > 0);
    close(door);
    return pid;
}

static void expect_used_up(struct farm *f)
{
    assert_int_equal(run(f, CLI(f, "token list --json")), 0);
    expect_said(f, "\"used\": 1");
    expect_said(f, "\"spent\": \"is used up\"");
}

/* The coordinator counted the token and signed, and the agent heard nothing of it: the same command
 * goes on from there. */
static void same_command_goes_on_after_a_lost_answer(void **state)
{
    struct farm *f = farm_new(100); /* a certificate is made again after 5 s */
    char token[160], url[64];
    (void)state;
    make_token(f, "--for f1", token);
    pid_t cutter = start_cutter((uint16_t)strtoul(strrchr(f->url, ':') + 1, NULL, 10), url);
    assert_int_equal(join(f, "f1", url, token, ""), 1);
    expect_used_up(f);
    char *kept = read_in(f, "f1/joining"), *identity;
    assert_non_null(strstr(kept, "PRIVATE KEY"));
    assert_int_equal(join(f, "f1", url, token, ""), 0);
    expect_said(f, "f1 has joined the farm");
    expect_used_up(f);
    pid_t agent = start_agent(f, "f1");
    UNTIL(f, "fresh", CLI(f, "server list"));
    stop(agent);
    /* With the first try's key; and what was kept for it is gone. */
    identity = read_in(f, "f1/identity");
    char *key = strstr(kept, "-----BEGIN EC"), *end = strstr(kept, "-----BEGIN CERT");
    must(key && end);
    *end = '\0';
    assert_non_null(strstr(identity, key));
    assert_int_not_equal(run(f, "cat %s/f1/joining", f->dir), 0);
    /* Another key under that token and name is not let in by it. */
    assert_int_equal(join(f, "f1", url, token, "--wait 0"), 1);
    expect_said(f, "is used up");
    stop(cutter);
    free(kept);
    free(identity);
    farm_free(f);
}

/* ---- members ---- */

static void removed_server_is_cut_at_once(void **state)
{
    struct farm *f = farm_of(state);
    char token[160];
    make_token(f, "--for 'd*'", token);
    assert_int_equal(join(f, "d1", f->url, token, ""), 0);
    pid_t agent = start_agent(f, "d1");
    UNTIL(f, "fresh", CLI(f, "server list --on d1"));
    assert_int_equal(run(f, CLI(f, "server remove d1 --reason sold")), 0);
    expect_said(f, "has left the list");
    /* Long before anybody would miss the answer to its listen, see agent/link.h. */
    UNTIL_IN(12000, f, "link_down", "cat %s/d1.log", f->dir);
    clock_sleep_ms(1500); /* it tries again, several times */
    assert_int_equal(run(f, CLI(f, "server list")), 0);
    assert_null(strstr(text_get(&f->out), "d1"));
    /* Nor after a restart of the coordinator. */
    stop(f->coordinator);
    start_coordinator(f);
    assert_int_equal(run(f, CLI(f, "server list")), 0);
    assert_null(strstr(text_get(&f->out), "d1"));
    stop(agent);
}

/* ---- operators from afar ---- */

/* The token's file; its number in id (17 bytes). */
static void make_operator(struct farm *f, const char *name, const char *options, char id[17])
{
    char file[64], token[160];
    assert_int_equal(run(f, "%s --socket %s/s operator create %s %s --reason test --json", COMMAND,
                         f->dir, name, options),
                     0);
    const char *at = strstr(text_get(&f->out), "fho1."),
               *number = strstr(text_get(&f->out), "\"id\": \"");
    must(at && number);
    snprintf(token, sizeof(token), "%.*s\n", (int)strcspn(at, "\""), at);
    snprintf(id, 17, "%.16s", number + strlen("\"id\": \""));
    snprintf(file, sizeof(file), "%s.token", name);
    write_in(f, file, token);
}

#define FAR(f, who, words)                                                                         \
    "%s --coordinator %s --token-file %s/%s.token --ca %s/d/tls/ca.crt " words, COMMAND, (f)->url, \
        (f)->dir, (who), (f)->dir

/* One connection, which ends when the coordinator ends it. */
static pid_t follow(const struct farm *f, const char *who)
{
    struct text command = {0};
    text_addf(&command,
              "exec curl -sN --cacert %s/d/tls/ca.crt -H \"Authorization: Bearer $(cat "
              "%s/%s.token)\" --connect-to farmhand-coordinator::%s "
              "'https://farmhand-coordinator/v1/events?follow=1' >%s/stream 2>&1",
              f->dir, f->dir, who, f->url + strlen("https://"), f->dir);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/bin/sh", "sh", "-c", text_get(&command), (char *)NULL);
        _exit(127);
    }
    must(pid > 0);
    text_reset(&command);
    return pid;
}

static void certificate_is_renewed_while_the_link_goes_on(void **state)
{
    struct farm *f = farm_new(12);
    char token[160], id[17];
    (void)state;
    make_token(f, "--for e1", token);
    assert_int_equal(join(f, "e1", f->url, token, ""), 0);
    char *first = read_in(f, "e1/identity"), *second, *log;
    pid_t agent = start_agent(f, "e1");
    UNTIL(f, "fresh", CLI(f, "server list"));
    make_operator(f, "wilma", "", id);
    pid_t follower = follow(f, "wilma");
    /* Two lives of a certificate: neither's first is good any more. */
#define THRICE(event, log)                                                                         \
    UNTIL_IN(120000, f, "thrice", "[ $(grep -c event=%s %s/%s) -ge 3 ] && echo thrice", event,     \
             f->dir, log)
    THRICE("certificate_renewed", "e1.log");
    THRICE("own_certificate_renewed", "c.log");
    second = read_in(f, "e1/identity");
    assert_string_not_equal(first, second);
    log = read_in(f, "e1.log");
    assert_null(strstr(log, "link_down"));
    free(log);
    /* Who comes now is shown another of the coordinator, at both doors, and whoever followed from
     * afar still does. */
    stop(agent);
    UNTIL(f, "silent", CLI(f, "server list"));
    agent = start_agent(f, "e1");
    UNTIL(f, "fresh", CLI(f, "server list"));
    assert_int_equal(run(f, FAR(f, "wilma", "server list")), 0);
    assert_int_equal(waitpid(follower, NULL, WNOHANG), 0);
    UNTIL(f, "silent, was fresh", "cat %s/stream", f->dir);
    stop(follower);
    free(first);
    free(second);
    stop(agent);
    farm_free(f);
}

static void operators_come_from_afar_in_their_roles(void **state)
{
    struct farm *f = farm_of(state);
    char id[17], token[160];
    make_token(f, "--for 'o*' --label farm=web --uses 2", token);
    assert_int_equal(join(f, "o1", f->url, token, ""), 0);
    pid_t agent = start_agent(f, "o1");
    UNTIL(f, "fresh", CLI(f, "server list --on o1"));
    make_operator(f, "vera", "", id);
    make_operator(f, "otto", "--role operator --servers farm=shop", id);
    make_operator(f, "ada", "--role admin", id);
    assert_int_equal(run(f, FAR(f, "vera", "server list --on o1")), 0);
    expect_said(f, "fresh");
    assert_int_equal(run(f, FAR(f, "vera", "server declare-out o1 --for 1m --reason x")), 1);
    expect_said(f, "vera is viewer: that takes operator");
    assert_int_equal(run(f, FAR(f, "vera", "token list")), 1);
    assert_int_equal(run(f, FAR(f, "otto", "server declare-out o1 --for 1m --reason x")), 1);
    expect_said(f, "for the servers farm=shop alone: o1 is not");
    assert_int_equal(run(f, FAR(f, "otto", "hold acquire o1 --for 1m --reason x")), 1);
    expect_said(f, "alone");
    assert_int_equal(run(f, FAR(f, "ada", "server declare-out o1 --for 1m --reason 'a test'")), 0);
    assert_int_equal(run(f, FAR(f, "ada", "events --limit 5")), 0);
    expect_said(f, "ada");
    assert_int_equal(run(f, FAR(f, "ada", "server release o1 --reason 'a test'")), 0);
    assert_int_equal(run(f, CLI(f, "operator revoke %s --reason gone"), id), 0);
    assert_int_equal(run(f, FAR(f, "ada", "status")), 1);
    expect_said(f, "the token of ada was revoked");
    stop(agent);
}

static void audit_trail_is_whole_until_somebody_touches_it(void **state)
{
    struct farm *f = farm_new(3600);
    char id[17], head[65];
    (void)state;
    make_operator(f, "ada", "--role admin", id);
    assert_int_equal(run(f, FAR(f, "ada", "token create --for x --reason 'from afar'")), 0);
    assert_int_equal(run(f, CLI(f, "audit list")), 0);
    expect_said(f, "127.0.0.1"); /* from where */
    expect_said(f, "token.create");
    expect_said(f, "for x, profile");
    make_operator(f, "vera", "--role viewer", id);
    assert_int_equal(run(f, FAR(f, "vera", "token create --for y --reason 'let me'")), 1);
    assert_int_equal(run(f, CLI(f, "audit list")), 0);
    expect_said(f, "refused: vera is viewer: that takes admin");
    assert_int_equal(run(f, CLI(f, "audit verify --json")), 0);
    const char *at = strstr(text_get(&f->out), "\"head\": \"");
    must(at != NULL);
    snprintf(head, sizeof(head), "%.64s", at + strlen("\"head\": \""));
    make_operator(f, "otto", "", id);
    assert_int_equal(run(f, "%s --socket %s/s audit verify --head %s", COMMAND, f->dir, head), 0);
    expect_said(f, "is among them");
    head[0] = head[0] == '0' ? '1' : '0';
    assert_int_equal(run(f, "%s --socket %s/s audit verify --head %s", COMMAND, f->dir, head), 1);
    farm_free(f);
}

#define BY_CERT(f, who, words)                                                                     \
    "%s --coordinator %s --identity %s/%s.pem --ca %s/d/tls/ca.crt " words, COMMAND, (f)->url,     \
        (f)->dir, (who), (f)->dir

/* Key and request are made here, the certificate there; both go into one file. Its number: id. */
static void certify(struct farm *f, const char *name, const char *options, char id[17])
{
    assert_int_equal(run(f, "%s operator request %s --to %s/%s", COMMAND, name, f->dir, name), 0);
    assert_int_equal(run(f,
                         "%s --socket %s/s operator create %s --request %s/%s.csr --to "
                         "%s/%s.crt --reason test %s",
                         COMMAND, f->dir, name, f->dir, name, f->dir, name, options),
                     0);
    assert_int_equal(run(f, "cat %s/%s.crt >>%s/%s.pem", f->dir, name, f->dir, name), 0);
    assert_int_equal(run(f, CLI(f, "operator list --json")), 0);
    char pattern[96];
    snprintf(pattern, sizeof(pattern), "\"name\": \"%s\"", name);
    /* "id" stands before "name" in each. */
    const char *at = strstr(text_get(&f->out), pattern), *number = NULL;
    for (const char *next = text_get(&f->out); (next = strstr(next, "\"id\": \"")) && next < at;
         next++)
        number = next;
    must(at && number);
    snprintf(id, 17, "%.16s", number + strlen("\"id\": \""));
}

static void operators_come_by_certificate_until_it_is_revoked(void **state)
{
    struct farm *f = farm_of(state);
    char id[17], *log;
    certify(f, "cara", "--role admin", id);
    /* The key has not left: nor has anybody else a look at it. */
    assert_int_equal(run(f, "stat -c %%a %s/cara.pem", f->dir), 0);
    expect_said(f, "600");
    assert_int_equal(run(f, "grep -c 'PRIVATE KEY' %s/cara.csr %s/cara.crt", f->dir, f->dir), 1);
    assert_int_equal(run(f, "%s operator request cara --to %s/cara", COMMAND, f->dir), 1);
    expect_said(f, "is there already");
    assert_int_equal(run(f, BY_CERT(f, "cara", "token create --for z --reason 'by certificate'")),
                     0);
    assert_int_equal(run(f, BY_CERT(f, "cara", "audit list --limit 3")), 0);
    expect_said(f, "cara");
    expect_said(f, "by certificate");
    /* A connection that stays, and a stream, from before the revocation. */
    assert_int_equal(run(f,
                         "(curl -sN --cacert %s/d/tls/ca.crt --cert %s/cara.pem --key %s/cara.pem "
                         "--connect-to farmhand-coordinator::%s 'https://farmhand-coordinator/v1/"
                         "events?follow=1&since=0' >%s/stream 2>&1 &)",
                         f->dir, f->dir, f->dir, f->url + strlen("https://"), f->dir),
                     0);
    UNTIL(f, "coordinator.started", "cat %s/stream", f->dir);
    assert_int_equal(run(f, CLI(f, "operator revoke %s --reason gone"), id), 0);
    UNTIL(f, "what you came by was revoked", "cat %s/stream", f->dir);
    assert_int_equal(run(f, BY_CERT(f, "cara", "status")), 1);
    expect_said(f, "the certificate of cara was revoked");
    assert_int_equal(run(f,
                         "%s --socket %s/s operator create carl --request %s/cara.csr --reason x",
                         COMMAND, f->dir, f->dir),
                     1);
    expect_said(f, "certified already");
    log = read_in(f, "c.log");
    assert_null(strstr(log, "PRIVATE KEY"));
    free(log);
}

static void one_connection_ends_with_its_certificates_word(void **state)
{
    struct farm *f = farm_of(state);
    char id[17];
    certify(f, "dora", "--role viewer --servers farm=web", id);
    assert_int_equal(run(f, BY_CERT(f, "dora", "server declare-out o1 --for 1m --reason x")), 1);
    expect_said(f, "dora is viewer: that takes operator");
    /* Twice over one TLS connection, revoked in between: looked up at each request. */
    assert_int_equal(
        run(f,
            "curl -sv --rate 5/m --cacert %s/d/tls/ca.crt --cert %s/dora.pem --key %s/dora.pem "
            "--connect-to farmhand-coordinator::%s https://farmhand-coordinator/v1/status -o "
            "%s/one https://farmhand-coordinator/v1/status -o %s/two 2>%s/said & for i in $(seq "
            "300); do grep -sq health %s/one && break; sleep 0.1; done; %s "
            "--socket %s/s operator revoke %s --reason now && wait && cat %s/one %s/two %s/said",
            f->dir, f->dir, f->dir, f->url + strlen("https://"), f->dir, f->dir, f->dir, f->dir,
            COMMAND, f->dir, id, f->dir, f->dir, f->dir),
        0);
    expect_said(f, "\"health\"");
    expect_said(f, "the certificate of dora was revoked");
    expect_said(f, "Re-using existing connection");
}

static void certificates_of_others_open_nothing(void **state)
{
    struct farm *f = farm_of(state), *other = farm_new(3600);
    char id[17], token[160];
    /* Another farm's operator, with all the right words. */
    certify(other, "mallory", "--role admin", id);
    assert_int_equal(run(f, "cp %s/mallory.pem %s/mallory.pem", other->dir, f->dir), 0);
    assert_int_equal(run(f, BY_CERT(f, "mallory", "status")), 1);
    expect_said(f, "the certificate is not taken");
    /* An agent of this farm: its key and certificate are for the agents' port. */
    make_token(f, "--for 'ag*' --uses 1", token);
    assert_int_equal(join(f, "ag1", f->url, token, ""), 0);
    assert_int_equal(
        run(f, "sed -n '/-----BEGIN/,/-----END/p' %s/ag1/identity >%s/agent.pem", f->dir, f->dir),
        0);
    assert_int_equal(run(f, BY_CERT(f, "agent", "status")), 1);
    expect_said(f, "it is no operator's");
    /* Somebody's certificate without its key. */
    certify(f, "eve", "--role viewer", id);
    assert_int_equal(run(f,
                         "(grep -v xxx %s/mallory.pem | sed -n '/PRIVATE/,/PRIVATE/p'; cat "
                         "%s/eve.crt) >%s/stolen.pem",
                         f->dir, f->dir, f->dir),
                     0);
    assert_int_not_equal(run(f, BY_CERT(f, "stolen", "status")), 0);
    if (run(f, BY_CERT(f, "eve", "run list")) != 0)
        fail_msg("%s", text_get(&f->out));
    farm_free(other);
}

static void renewed_certificate_overlaps_with_the_former_and_ends_with_its_time(void **state)
{
    struct farm *f = farm_of(state);
    char id[17], fays[17];
    certify(f, "fay", "--role viewer --expires 20s", fays); /* hers ends with its time, too */
    assert_int_equal(run(f, BY_CERT(f, "fay", "run list")), 0);
    certify(f, "hans", "--role operator", id);
    assert_int_equal(run(f, "%s operator request hans --to %s/hans2", COMMAND, f->dir), 0);
    assert_int_equal(run(f, BY_CERT(f, "hans", "operator list")), 1);
    assert_int_equal(run(f,
                         "%s --socket %s/s operator renew %s --request %s/hans2.csr --to "
                         "%s/hans2.crt --for 20s --reason 'its time'",
                         COMMAND, f->dir, id, f->dir, f->dir),
                     0);
    expect_said(f, "The certificate of hans (operator, servers all)");
    assert_int_equal(run(f, "cat %s/hans2.crt >>%s/hans2.pem", f->dir, f->dir), 0);
    assert_int_equal(run(f, BY_CERT(f, "hans", "run list")), 0);
    assert_int_equal(run(f, BY_CERT(f, "hans2", "run list")), 0);
    UNTIL(f, "the certificate of hans has expired", BY_CERT(f, "hans", "run list"));
    assert_int_equal(run(f, BY_CERT(f, "hans2", "run list")), 0);
    UNTIL(f, "expired", BY_CERT(f, "fay", "run list"));
}

static void nobody_else_is_told_or_believed(void **state)
{
    struct farm *f = farm_new(3600), *other = farm_new(3600);
    char id[17], *log, *token;
    (void)state;
    make_operator(f, "vera", "", id);
    /* Not by the system's CAs, nor by another farm's. */
    assert_int_equal(
        run(f, "%s --coordinator %s --token-file %s/vera.token status", COMMAND, f->url, f->dir),
        3);
    expect_said(f, "cannot prove that it is the coordinator");
    assert_int_equal(
        run(f, "%s --coordinator %s --token-file %s/vera.token --ca %s/d/tls/ca.crt status",
            COMMAND, f->url, f->dir, other->dir),
        3);
    assert_int_equal(run(f, "curl -sk %s/v1/status", f->url), 0);
    expect_said(f, "a token is needed");
    /* TLS 1.1 and ciphers without forward secrecy are not spoken. */
    assert_int_not_equal(run(f, "curl -sk --tls-max 1.1 %s/v1/status", f->url), 0);
    assert_int_not_equal(run(f, "curl -sk --tls-max 1.2 --ciphers AES128-SHA %s/v1/status", f->url),
                         0);
    /* On a slow machine the first waits are over before the next one asks. */
    UNTIL(f, "too many wrong tokens", "curl -sk -H 'Authorization: Bearer fho1.AAAA' %s/v1/status",
          f->url);
    /* From the same address: it waits too. On a slow machine the wait may be over before it asks;
     * each round of guesses doubles the next. */
    UNTIL(f, "too many wrong tokens came from",
          FAR(f, "vera",
              "status 2>&1; for i in 1 2 3; do curl -sk -H 'Authorization: Bearer fho1.AAAA' "
              "%s/v1/status >/dev/null; done"),
          f->url);
    token = read_in(f, "vera.token");
    log = read_in(f, "c.log");
    assert_non_null(strstr(log, "operator_refused"));
    token[30] = '\0';
    assert_null(strstr(log, token + 10));
    free(token);
    free(log);
    farm_free(other);
    farm_free(f);
}

/* Connections to the operators' port that never say a word, from an address that is not the
 * others'. */
static void crowd_of_one_address_does_not_keep_operators_out(void **state)
{
    struct farm *f = farm_of(state);
    int fds[300];
    char id[17], byte;
    size_t stay = 300;
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port =
                                       htons((uint16_t)strtoul(strrchr(f->url, ':') + 1, NULL, 10)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    make_operator(f, "gina", "", id);
    for (size_t i = 0; i < 300; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(fds[i] >= 0 && bind(fds[i], (const struct sockaddr *)&from, sizeof(from)) == 0 &&
             connect(fds[i], (const struct sockaddr *)&to, sizeof(to)) == 0);
    }
    assert_int_equal(run(f, FAR(f, "gina", "run list")), 0);
    for (int tries = 0; tries < 100 && stay > 16; tries++) {
        stay = 0;
        for (size_t i = 0; i < 300; i++)
            stay += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
        clock_sleep_ms(50);
    }
    assert_true(stay <= 16);
    for (size_t i = 0; i < 300; i++)
        close(fds[i]);
}

static void agent_without_a_farm_says_how_to_join(void **state)
{
    struct farm *f = farm_of(state);
    make_agent(f, "z1", "");
    assert_int_equal(run(f, "%s --config %s/z1.conf", AGENT, f->dir), 1);
    expect_said(f, "farmhand-agent join URL TOKEN");
}

static int setup(void **state)
{
    *state = farm_new(3600);
    return 0;
}

static int teardown(void **state)
{
    farm_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_joins_with_one_line),
        cmocka_unit_test(token_that_is_not_good_is_refused),
        cmocka_unit_test(coordinator_of_another_farm_is_told_nothing),
        cmocka_unit_test(name_that_is_taken_waits_for_a_person),
        cmocka_unit_test(same_command_goes_on_after_a_lost_answer),
        cmocka_unit_test(removed_server_is_cut_at_once),
        cmocka_unit_test(certificate_is_renewed_while_the_link_goes_on),
        cmocka_unit_test(operators_come_from_afar_in_their_roles),
        cmocka_unit_test(operators_come_by_certificate_until_it_is_revoked),
        cmocka_unit_test(one_connection_ends_with_its_certificates_word),
        cmocka_unit_test(certificates_of_others_open_nothing),
        cmocka_unit_test(renewed_certificate_overlaps_with_the_former_and_ends_with_its_time),
        cmocka_unit_test(audit_trail_is_whole_until_somebody_touches_it),
        cmocka_unit_test(nobody_else_is_told_or_believed),
        cmocka_unit_test(crowd_of_one_address_does_not_keep_operators_out),
        cmocka_unit_test(agent_without_a_farm_says_how_to_join),
    };
    return cmocka_run_group_tests_name("enrol", tests, setup, teardown);
}
