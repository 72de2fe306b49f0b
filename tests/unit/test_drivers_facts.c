/* What doctor is told of applications, by what appcmd says of them. */
#include "agent/drivers/iis.h"
#include "common/http.h"
#include "common/must.h"
#include "common/text.h"
#include "tests/unit/drivers_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define POOLS "<appcmd><APPPOOL APPPOOL.NAME=\"Shop\" state=\"Started\"/></appcmd>"
#define APPS                                                                                       \
    "<appcmd>"                                                                                     \
    "<APP path=\"/\" APP.NAME=\"Web/\" APPPOOL.NAME=\"Shop\" SITE.NAME=\"Web\">"                   \
    "<application path=\"/\" applicationPool=\"Shop\" preloadEnabled=\"true\"/></APP>"             \
    "<APP path=\"/api\" APP.NAME=\"Web/api\" APPPOOL.NAME=\"Api\" SITE.NAME=\"Web\">"              \
    "<application path=\"/api\" applicationPool=\"Api\" preloadEnabled=\"false\"/></APP>"          \
    "<APP path=\"/new\" APP.NAME=\"Web/new\" APPPOOL.NAME=\"Api\" SITE.NAME=\"Web\">"              \
    "<application path=\"/new\" applicationPool=\"Api\" preloadEnabled=\"true\"/></APP>"           \
    "<APP path=\"/late\" APP.NAME=\"Web/late\" APPPOOL.NAME=\"Shop\" SITE.NAME=\"Web\">"           \
    "<application path=\"/late\" applicationPool=\"Shop\" preloadEnabled=\"true\"/></APP>"         \
    "</appcmd>"
#define WARM(after, pages)                                                                         \
    "<?xml version=\"1.0\"?><appcmd><CONFIG "                                                      \
    "CONFIG.SECTION=\"system.webServer/applicationInitialization\" "                               \
    "path=\"MACHINE/WEBROOT/APPHOST\" overrideMode=\"Inherit\" locked=\"false\">"                  \
    "<system.webServer-applicationInitialization remapManagedRequestsTo=\"\" "                     \
    "skipManagedModules=\"false\" doAppInitAfterRestart=\"" after "\">" pages                      \
    "</system.webServer-applicationInitialization></CONFIG></appcmd>"
#define PAGE "<add initializationPage=\"/warm\" hostName=\"\"/>"

#define APPCMD                                                                                     \
    "case \"$1 $2\" in\n"                                                                          \
    "'list apppool') cat \"$HERE/pools\";;\n"                                                      \
    "'list app') cat \"$HERE/apps\";;\n"                                                           \
    "'list vdir') cat \"$HERE/vdirs\";;\n"                                                         \
    "'list config') [ -z \"$(cat \"$HERE/old\")\" ] || code 87\n"                                  \
    "    echo \"$3 $4\" >> \"$HERE/calls\"\n"                                                      \
    "    case \"$3\" in Web/) cat \"$HERE/warm\";; Web/late) cat \"$HERE/late\";; *) cat "         \
    "\"$HERE/cold\";; esac;;\n"                                                                    \
    "esac"

struct box {
    char *folder;
    struct iis_settings settings;
    struct driver *driver;
    struct text told; /* "POOL KEY VALUE\n" ... */
};

static void put(struct box *box, const char *name, const char *text)
{
    tool_write(box->folder, name, text, strlen(text));
}

/* The applications of pool Api lie in a folder of their own, the others in another. */
static void put_vdirs(struct box *box)
{
    struct text xml = {0};
    static const char *const rows[][3] = {
        {"Web/", "web", "/"}, {"Web/", "web", "/pictures"}, {"Web/api", "api", "/"}};
    text_add(&xml, "<appcmd>");
    for (size_t i = 0; i < 3; i++)
        text_addf(&xml,
                  "<VDIR VDIR.NAME=\"%s\" physicalPath=\"%s/%s\" path=\"%s\" APP.NAME=\"%s\"/>",
                  rows[i][0], box->folder, rows[i][1], rows[i][2], rows[i][0]);
    text_add(&xml, "</appcmd>");
    put(box, "vdirs", text_get(&xml));
    text_reset(&xml);
}

static int open_box(void **state)
{
    struct box *box = must_alloc(1, sizeof(*box));
    box->folder = tool_folder_new();
    put(box, "pools", POOLS);
    put(box, "apps", APPS);
    put(box, "warm", WARM("true", PAGE));
    put(box, "late", WARM("false", PAGE));
    put(box, "cold", WARM("true", ""));
    put(box, "old", "");
    put_vdirs(box);
    tool_script(box->folder, "appcmd", APPCMD);
    iis_settings_init(&box->settings);
    box->settings.appcmd = tool_path(box->folder, "appcmd");
    box->settings.worker = tool_path(box->folder, "w3wp.exe");
    box->settings.config = tool_path(box->folder, "applicationHost.config");
    must(iis_open(&box->settings, &box->driver, NULL) == ERR_NONE);
    *state = box;
    return 0;
}

static int close_box(void **state)
{
    struct box *box = *state;
    box->driver->ops->close(box->driver);
    iis_settings_reset(&box->settings);
    tool_folder_remove(box->folder);
    text_reset(&box->told);
    free(box);
    return 0;
}

static void on_fact(void *arg, const char *pool, const char *key, const char *value)
{
    text_addf(arg, "%s %s %s\n", pool, key, value);
}

static void ask(struct box *box)
{
    text_reset(&box->told);
    assert_int_equal(box->driver->ops->facts(box->driver, 60000, on_fact, &box->told, NULL),
                     ERR_NONE);
}

static void expect(struct box *box, const char *line)
{
    if (!strstr(text_get(&box->told), line))
        fail_msg("\"%s\" is not told in:\n%s", line, text_get(&box->told));
}

static void expect_not(struct box *box, const char *part)
{
    if (strstr(text_get(&box->told), part))
        fail_msg("\"%s\" is told in:\n%s", part, text_get(&box->told));
}

static void cold_applications_are_told_by_pool(void **state)
{
    struct box *box = *state;
    ask(box);
    expect(box, "Api preload.off Web/api\n");
    expect(box, "Api warmup.off Web/new\n");   /* no address */
    expect(box, "Shop warmup.off Web/late\n"); /* not after a recycle */
    expect_not(box, "Shop preload.off");
    expect_not(box, "warmup.error");
    char *calls = tool_read(box->folder, "calls"); /* what is cold anyway is not asked */
    assert_string_equal(calls, "Web/ /section:system.webServer/applicationInitialization\n"
                               "Web/new /section:system.webServer/applicationInitialization\n"
                               "Web/late /section:system.webServer/applicationInitialization\n");
    free(calls);
}

static void server_without_the_feature_says_so_once(void **state)
{
    struct box *box = *state;
    put(box, "old", "yes");
    ask(box);
    expect(box, " warmup.error ");
    expect_not(box, "warmup.off");
    expect(box, "Api preload.off Web/api\n");
}

/* Only the root folder of an application counts. */
static void deployment_that_goes_on_is_seen(void **state)
{
    struct box *box = *state;
    char *api = tool_path(box->folder, "api");
    ask(box);
    expect_not(box, "offline");
    must(mkdir(api, 0700) == 0);
    tool_write(api, "app_offline.htm", "back soon", 9);
    ask(box);
    expect(box, "Api offline Web/api\n");
    expect_not(box, "Shop offline");
    tool_folder_remove(api);
}

int main(void)
{
    http_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cold_applications_are_told_by_pool, open_box, close_box),
        cmocka_unit_test_setup_teardown(server_without_the_feature_says_so_once, open_box,
                                        close_box),
        cmocka_unit_test_setup_teardown(deployment_that_goes_on_is_seen, open_box, close_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
