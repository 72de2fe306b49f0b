/* folders.c - appcmd list vdir, and list config of the section applicationInitialization. */
#include "tests/lab/appcmd/appcmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION "system.webServer/applicationInitialization"

static void print_vdir(struct appcmd *a, const char *app, const struct xml *vdir)
{
    char full[LAB_PATH_MAX];
    const char *folder = xml_get(vdir, "physicalPath"), *path = xml_get(vdir, "path");
    bool absolute = folder && (*folder == '/' || strchr(folder, ':'));
    snprintf(full, sizeof full, "%s%s%s", absolute ? "" : a->dir, absolute ? "" : "/",
             folder ? folder : "sites");
    if (!a->xml) {
        text_addf(&a->out, "VDIR \"%s\" (physicalPath:%s)\n", app, full);
        return;
    }
    text_add(&a->out, "    <VDIR VDIR.NAME=\"");
    xml_escape(&a->out, app);
    text_add(&a->out, "\" physicalPath=\"");
    xml_escape(&a->out, full);
    text_addf(&a->out, "\" path=\"%s\" APP.NAME=\"", path ? path : "/");
    xml_escape(&a->out, app);
    text_add(&a->out, "\" />\n");
}

size_t appcmd_list_vdirs(struct appcmd *a, const struct iisconf *c)
{
    size_t count = 0;
    for (const struct xml *site = iisconf_first_site(c); site; site = xml_next(site)) {
        const char *name = xml_get(site, "name");
        for (const struct xml *app = xml_child(site, "application"); name && app;
             app = xml_next(app)) {
            char full[512];
            const char *path = xml_get(app, "path");
            snprintf(full, sizeof full, "%s%s", name, path ? path : "/");
            for (const struct xml *v = xml_child(app, "virtualDirectory"); v; v = xml_next(v)) {
                print_vdir(a, full, v);
                count++;
            }
        }
    }
    return count;
}

/* "Shop/" and "Shop" are the same place. */
static bool is_place(const char *path, const char *asked)
{
    char bare[512];
    text_copy(bare, sizeof bare, asked);
    size_t len = strlen(bare);
    if (len > 0 && bare[len - 1] == '/')
        bare[len - 1] = '\0';
    return path && text_equal_nocase(path, bare);
}

static void print_section(struct appcmd *a, const struct xml *section)
{
    const char *after = section ? xml_get(section, "doAppInitAfterRestart") : NULL;
    text_addf(&a->out,
              "    <CONFIG CONFIG.SECTION=\"" SECTION "\" path=\"MACHINE/WEBROOT/APPHOST\" "
              "overrideMode=\"Inherit\" locked=\"false\">\n"
              "        <system.webServer-applicationInitialization "
              "doAppInitAfterRestart=\"%s\">\n",
              after ? after : "false");
    for (const struct xml *page = section ? xml_child(section, "add") : NULL; page;
         page = xml_next(page)) {
        const char *address = xml_get(page, "initializationPage");
        text_add(&a->out, "            <add initializationPage=\"");
        xml_escape(&a->out, address ? address : "");
        text_add(&a->out, "\" />\n");
    }
    text_add(&a->out, "        </system.webServer-applicationInitialization>\n    </CONFIG>\n");
}

/* XML alone: nobody reads the other form. */
unsigned appcmd_list_config(struct appcmd *a, const struct iisconf *c)
{
    const char *section = appcmd_option(a, "section");
    const struct xml *found = NULL;
    if (!a->xml || !section || !text_equal_nocase(section, SECTION))
        return say_error(a, WIN32_INVALID_PARAMETER, "Unknown config section \"%s\".",
                         section ? section : "");
    for (const struct xml *l = xml_child(c->root, "location"); l && a->identifier; l = xml_next(l))
        if (is_place(xml_get(l, "path"), a->identifier))
            found = xml_path(l, SECTION);
    print_section(a, found);
    text_add(&a->out, "</appcmd>\n");
    return WIN32_OK;
}
