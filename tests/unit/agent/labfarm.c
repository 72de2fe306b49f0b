/* labfarm.c - see labfarm.h. */
#include "tests/unit/agent/labfarm.h"
#include "common/clock.h"
#include "common/os.h"
#include "common/process.h"
#include "common/text.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- programs ---- */

uint32_t farm_run(char **output, const char *const *argv)
{
    struct error err = {0};
    struct process_result result;
    const struct process_call call = {
        .argv = argv, .timeout_ms = 30000, .output_max_bytes = 1024 * 1024};
    if (process_run(&call, &result, &err) != ERR_NONE)
        fail_msg("%s: %s", argv[0], err.text);
    if (output)
        *output = result.output;
    else
        free(result.output);
    return result.exit_code;
}

static void write_config(struct farm *f, const char *config)
{
    struct text t = {0};
    struct error err = {0};
    text_addf(&t,
              "[agent]\nname = web01\ncoordinator = %s\nwithout_tls = loopback-only\ndata_dir = "
              "%s/data\nheartbeat = 1s\n"
              "beat = 200ms\nreconnect_min = 100ms\nlook_every = 10s\n"
              "%s"
              "[iis]\nappcmd = %s/inetsrv/appcmd\nworker = %s/inetsrv/w3wp.exe\n"
              "service_backend = lab\nservice_tool = %s/inetsrv/sc\n"
              "config = %s/applicationHost.config\n",
              link_url(f->desk.link), f->dir, config, f->server, f->server, f->server, f->server);
    if (os_write_file(f->config, text_get(&t), t.len, 0600, &err) != ERR_NONE)
        fail_msg("%s", err.text);
    text_reset(&t);
}

void farm_start_agent(struct farm *f)
{
    char log[PATH_BYTES + 16];
    snprintf(log, sizeof(log), "%s/agent.log", f->dir);
    f->agent = fork();
    if (f->agent != 0)
        return;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execl(FARMHAND_AGENT, FARMHAND_AGENT, "--config", f->config, (char *)NULL);
    _exit(127);
}

int farm_end_agent(struct farm *f, int signal)
{
    int status = 0;
    kill(f->agent, signal);
    waitpid(f->agent, &status, 0);
    f->agent = 0;
    f->desk.listening = false; /* its listen is nobody's now */
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A port that is free now; the lab binds it a moment later. */
static void free_port(char out[16])
{
    struct error err = {0};
    uint16_t random = 0;
    os_random(&random, sizeof(random), &err);
    snprintf(out, 16, "%u", 20000u + random % 12000u);
}

struct farm *farm_open(const char *config, const char *lab)
{
    struct farm *f = calloc(1, sizeof(*f));
    char template[] = "/tmp/farmhand-agent-XXXXXX";
    char conf[PATH_BYTES];
    assert_non_null(mkdtemp(template));
    snprintf(f->dir, sizeof(f->dir), "%s", template);
    snprintf(f->server, sizeof(f->server), "%s/web01", template);
    snprintf(f->config, sizeof(f->config), "%s/agent.conf", template);
    snprintf(conf, sizeof(conf), "%s/lab.conf", template);
    if (lab)
        assert_int_equal(os_write_file(conf, lab, strlen(lab), 0600, NULL), ERR_NONE);
    bool up = false;
    for (int tries = 0; tries < 5 && !up; tries++) {
        free_port(f->port);
        farm_run(NULL, (const char *const[]){"/bin/rm", "-rf", f->server, NULL});
        assert_int_equal(lab ? LAB("create", f->server, "--port", f->port, "--lab", conf)
                             : LAB("create", f->server, "--port", f->port),
                         0);
        up = LAB("up", f->server) == 0;
        if (!up)
            LAB("down", f->server);
    }
    assert_true(up);
    desk_open(&f->desk);
    write_config(f, config);
    farm_start_agent(f);
    return f;
}

void farm_close(struct farm *f)
{
    if (f->agent)
        farm_end_agent(f, SIGKILL);
    LAB("down", f->server);
    desk_close(&f->desk);
    farm_run(NULL, (const char *const[]){"/bin/rm", "-rf", f->dir, NULL});
    free(f);
}

void assert_outcome(struct agent_message *m, enum outcome outcome, enum cause cause)
{
    if (m->result.outcome != outcome || m->result.cause != cause)
        fail_msg("%s (%s): %s", outcome_name(m->result.outcome), cause_name(m->result.cause),
                 m->result.detail);
}
