#include "tests/lab/sc/create.h"

#include "tests/lab/base/lab_os.h"

#include "common/os.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (8u << 20)

/* One site, three pools: the warm one that is looked after, and two that start on demand. */
static const char DEFAULT_CONFIG[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<configuration>\n"
    "    <system.applicationHost>\n"
    "        <applicationPools>\n"
    "            <add name=\"Shop\" autoStart=\"true\" managedRuntimeVersion=\"v4.0\" "
    "startMode=\"AlwaysRunning\">\n"
    "                <processModel idleTimeout=\"00:00:00\" />\n"
    "            </add>\n"
    "            <add name=\"Api\" managedRuntimeVersion=\"v4.0\" />\n"
    "            <add name=\"Reports\" managedRuntimeVersion=\"v4.0\" />\n"
    "            <applicationPoolDefaults>\n"
    "                <processModel identityType=\"ApplicationPoolIdentity\" />\n"
    "            </applicationPoolDefaults>\n"
    "        </applicationPools>\n"
    "        <sites>\n"
    "            <site name=\"Shop\" id=\"1\">\n"
    "                <application path=\"/\" applicationPool=\"Shop\" preloadEnabled=\"true\">\n"
    "                    <virtualDirectory path=\"/\" physicalPath=\"sites/Shop\" />\n"
    "                </application>\n"
    "                <application path=\"/api\" applicationPool=\"Api\">\n"
    "                    <virtualDirectory path=\"/\" physicalPath=\"sites/Api\" />\n"
    "                </application>\n"
    "                <application path=\"/reports\" applicationPool=\"Reports\">\n"
    "                    <virtualDirectory path=\"/\" physicalPath=\"sites/Reports\" />\n"
    "                </application>\n"
    "                <bindings>\n"
    "                    <binding protocol=\"http\" bindingInformation=\"127.0.0.1:%s:\" />\n"
    "                </bindings>\n"
    "            </site>\n"
    "        </sites>\n"
    "    </system.applicationHost>\n"
    "    <location path=\"Shop\">\n"
    "        <system.webServer>\n"
    "            <applicationInitialization doAppInitAfterRestart=\"true\">\n"
    "                <add initializationPage=\"/health\" />\n"
    "            </applicationInitialization>\n"
    "        </system.webServer>\n"
    "    </location>\n"
    "</configuration>\n";

static enum error_code write_text(const char *dir, const char *file, const char *text, size_t len,
                                  struct error *err)
{
    char path[LAB_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return os_write_file(path, text, len, 0644, err);
}

static enum error_code copy_file(const char *from, const char *dir, const char *file,
                                 struct error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    enum error_code code = os_read_file(from, FILE_MAX_BYTES, &bytes, &len, err);
    if (code == ERR_NONE)
        code = write_text(dir, file, bytes, len, err);
    free(bytes);
    return code;
}

/* As they are named where they were built, or in the inetsrv of another server. */
static bool link_program(const char *from_dir, const char *built, const char *installed,
                         const char *dir, struct error *err)
{
    char from[LAB_PATH_MAX + 64], to[LAB_PATH_MAX + 64];
    snprintf(from, sizeof from, "%s/%s", from_dir, built);
    if (!lab_os_exists(from))
        snprintf(from, sizeof from, "%s/%s", from_dir, installed);
    snprintf(to, sizeof to, "%s/inetsrv/%s", dir, installed);
    return lab_os_link(from, to, err);
}

static bool link_programs(const char *dir, struct error *err)
{
    char own[LAB_PATH_MAX];
    static const char *const programs[][2] = {
        {"lab-sc" LAB_EXE, "lab-sc" LAB_EXE},   {"lab-sc" LAB_EXE, "sc" LAB_EXE},
        {"lab-was" LAB_EXE, "lab-was" LAB_EXE}, {"lab-w3wp" LAB_EXE, "w3wp.exe"},
        {"lab-w3wp" LAB_EXE, "dotnet.exe"},     {"appcmd" LAB_EXE, "appcmd" LAB_EXE},
    };
    bool ok = lab_os_own_folder(own, err);
    for (size_t i = 0; ok && i < sizeof programs / sizeof *programs; i++)
        ok = link_program(own, programs[i][0], programs[i][1], dir, err);
    return ok;
}

static enum error_code make_folders(const char *dir, struct error *err)
{
    static const char *const folders[] = {"inetsrv", "sites/Shop", "sites/Api", "sites/Reports"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[LAB_PATH_MAX + 64];
        snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
        enum error_code code = os_make_dir(path, 0755, err);
        if (code != ERR_NONE)
            return code;
    }
    return ERR_NONE;
}

enum error_code create_server(const char *dir, const struct create_options *options,
                              struct error *err)
{
    struct text conf = {0};
    char path[LAB_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/inetsrv", dir);
    if (lab_os_exists(path))
        return error_set(err, ERR_EXISTS, "%s holds a lab server already", dir);
    enum error_code code = make_folders(dir, err);
    if (code != ERR_NONE)
        return code;
    if (!link_programs(dir, err))
        return ERR_IO;
    const char *last = strrchr(dir, '/'), *port = options->port ? options->port : "18081";
    text_addf(&conf, DEFAULT_CONFIG, port);
    if (options->config)
        code = copy_file(options->config, dir, "applicationHost.config", err);
    else
        code = write_text(dir, "applicationHost.config", conf.data, conf.len, err);
    text_reset(&conf);
    text_addf(&conf, "[server]\nname = %s\n",
              options->name     ? options->name
              : last && last[1] ? last + 1
                                : dir);
    if (code == ERR_NONE && options->lab)
        code = copy_file(options->lab, dir, "lab.conf", err);
    else if (code == ERR_NONE)
        code = write_text(dir, "lab.conf", conf.data, conf.len, err);
    text_reset(&conf);
    return code;
}
