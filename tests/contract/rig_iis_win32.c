#include "agent/drivers/iis_lock.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/sys_win32.h"
#include "common/text.h"
#include "tests/contract/rig_iis_os.h"
#include "tests/lab/base/lab_os.h"

#include <stdlib.h>
#include <string.h>

const char *const rig_iis_backend = "windows";
const bool rig_iis_shares_process = false; /* Wine has one process for each (LAB.md) */
const bool rig_iis_memory_tells = false;

/* Apart: what process_run() starts is a job, which ends as a whole. */
void rig_iis_start(const char *lab_sc, const char *server)
{
    const char *const argv[] = {lab_sc, "run", server, NULL};
    const char *const wait[] = {lab_sc, "wait", server, NULL};
    struct process_call call = {.argv = wait, .timeout_ms = 90000, .output_max_bytes = 4096};
    struct process_result result;
    uint32_t pid;
    must(lab_os_spawn(argv, NULL, 0, true, &pid, NULL));
    must(process_run(&call, &result, NULL) == ERR_NONE && result.exit_code == 0);
    free(result.output);
}

void rig_iis_stopped(void)
{
}

/* Two handles of a file exclude each other, within one process too. */
static struct iis_lock held;

bool rig_iis_hold_config(bool on)
{
    if (!on)
        iis_lock_give(&held);
    else
        must(iis_lock_take(&held, 60000, NULL) == ERR_NONE);
    return true;
}

bool rig_iis_knows_needs(const char *service)
{
    char path[256];
    DWORD bytes = 0;
    text_format(path, sizeof(path), "SYSTEM\\CurrentControlSet\\Services\\%s", service);
    return RegGetValueA(HKEY_LOCAL_MACHINE, path, "DependOnService", RRF_RT_ANY, NULL, NULL,
                        &bytes) == ERROR_SUCCESS;
}

void rig_iis_put_secret(const char *from, const char *to, const char *backwards)
{
    static const char mark[] = "@SECRET@";
    struct text done = {0};
    char *raw = NULL;
    must(os_read_file(from, 1 << 20, &raw, NULL, NULL) == ERR_NONE);
    const char *at = strstr(raw, mark);
    must(at != NULL);
    text_add_bytes(&done, raw, (size_t)(at - raw));
    for (size_t i = strlen(backwards); i-- > 0;)
        text_add_bytes(&done, &backwards[i], 1);
    text_add(&done, at + strlen(mark));
    must(os_write_file(to, text_get(&done), done.len, 0644, NULL) == ERR_NONE);
    text_reset(&done);
    free(raw);
}

bool rig_iis_can(enum disturbance what)
{
    return what != SERVICE_DENIED && what != SERVICES_LOCKED && what != SERVICE_REFUSES;
}

char *rig_iis_memory_find(const char *backwards)
{
    (void)backwards;
    must(!"this process has written the secret itself");
    return NULL;
}
