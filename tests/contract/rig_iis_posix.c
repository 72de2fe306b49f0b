#include "common/must.h"
#include "common/process.h"
#include "common/text.h"
#include "tests/contract/memory.h"
#include "tests/contract/rig_iis_os.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const rig_iis_backend = "lab";
const bool rig_iis_shares_process = true;
const bool rig_iis_memory_tells = true;

static pid_t lab;

/* `lab-sc run` as a child that dies with us; everything below it ends with it. */
void rig_iis_start(const char *lab_sc, const char *server)
{
    int ready[2];
    must(pipe(ready) == 0);
    lab = fork();
    must(lab >= 0);
    if (lab == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ready[1], 1);
        close(ready[0]);
        close(ready[1]);
        execl(lab_sc, "lab-sc", "run", server, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    char word[6] = {0};
    FILE *said = fdopen(ready[0], "r");
    must(said && fgets(word, sizeof(word), said) && text_equal(word, "ready"));
    fclose(said);
}

void rig_iis_stopped(void)
{
    waitpid(lab, NULL, 0);
}

/* By a program of its own, so that this process never holds the word. */
bool rig_iis_hold_config(bool on)
{
    (void)on;
    return false;
}

bool rig_iis_knows_needs(const char *service)
{
    (void)service;
    return true;
}

void rig_iis_put_secret(const char *from, const char *to, const char *backwards)
{
    static const char script[] = "sed \"s/@SECRET@/$(echo \"$1\" | rev)/\" \"$2\" > \"$3\"";
    const char *const argv[] = {"/bin/sh", "-c", script, "sh", backwards, from, to, NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 60000, .output_max_bytes = 4096};
    struct process_result result;
    must(process_run(&call, &result, NULL) == ERR_NONE && result.exit_code == 0);
    free(result.output);
}

bool rig_iis_can(enum disturbance what)
{
    (void)what;
    return true;
}

char *rig_iis_memory_find(const char *backwards)
{
    return memory_find(backwards);
}
