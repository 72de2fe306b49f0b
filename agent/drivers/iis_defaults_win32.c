/* iis_defaults_win32.c - see iis_defaults.h. */
#include "agent/drivers/iis_defaults.h"

#include "agent/drivers/scm.h"
#include "common/must.h"
#include "common/sys_win32.h"
#include "common/text.h"

#include <stdlib.h>

/* A 32-bit process that says system32 is led to SysWOW64, where no appcmd lies that knows 64-bit
 * pools; sysnative is its way to the real one. Source: "File System Redirector". */
static const char *system_folder(void)
{
    BOOL redirected = FALSE;
    return IsWow64Process(GetCurrentProcess(), &redirected) && redirected ? "sysnative"
                                                                          : "system32";
}

static void fill(char **setting, const char *windows, const char *rest)
{
    struct text path = {0};
    if (*setting)
        return;
    text_addf(&path, "%s\\%s\\inetsrv\\%s", windows, system_folder(), rest);
    *setting = text_take(&path);
}

int iis_default_back_end(void)
{
    int index = 0;
    while (scm_names[index] && !text_equal(scm_names[index], "windows"))
        index++;
    return scm_names[index] ? index : 0;
}

/* A process that runs as w3wp shows the real path, system32, whoever asks: IIS has no other. */
void iis_defaults(struct iis_settings *settings)
{
    wchar_t wide[MAX_PATH];
    UINT len = GetSystemWindowsDirectoryW(wide, MAX_PATH);
    char *windows = len > 0 && len < MAX_PATH ? sys_utf8(wide) : NULL;
    if (!windows)
        return;
    fill(&settings->appcmd, windows, "appcmd.exe");
    fill(&settings->config, windows, "config\\applicationHost.config");
    if (!settings->worker) {
        struct text path = {0};
        text_addf(&path, "%s\\system32\\inetsrv\\w3wp.exe", windows);
        settings->worker = text_take(&path);
    }
    free(windows);
}

char *iis_default_expand(const char *path)
{
    wchar_t *wide = sys_wide(path), *expanded = NULL;
    DWORD size = wide ? ExpandEnvironmentStringsW(wide, NULL, 0) : 0;
    char *utf8 = NULL;
    if (size > 0) {
        expanded = must_alloc(size, sizeof(*expanded));
        if (ExpandEnvironmentStringsW(wide, expanded, size) > 0)
            utf8 = sys_utf8(expanded);
    }
    free(expanded);
    free(wide);
    return utf8 ? utf8 : must_copy(path);
}
