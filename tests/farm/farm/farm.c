/* farm.c - see farm.h. */
#include "tests/farm/farm/farm.h"

#include "tests/farm/farm/ports.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER ".lab-farm" /* says that everything in the directory may be replaced */

static const char *const folders[] = {"logs", "pids", "conf", "servers", "agents", "coordinator"};

unsigned farm_port_front(const struct farm *f)
{
    return f->base_port;
}

unsigned farm_port_stats(const struct farm *f)
{
    return f->base_port + 1;
}

unsigned farm_port_coordinator(const struct farm *f)
{
    return f->base_port + 2;
}

unsigned farm_port_server(const struct farm *f, unsigned index)
{
    return f->base_port + PORTS_COMMON + index;
}

void farm_server_name(char out[FARM_NAME_MAX], unsigned index)
{
    text_format(out, FARM_NAME_MAX, "web%02u", index + 1);
}

enum error_code farm_server_find(const struct farm *f, const char *name, unsigned *index,
                                 struct error *err)
{
    char candidate[FARM_NAME_MAX];
    for (unsigned i = 0; i < f->servers; i++) {
        farm_server_name(candidate, i);
        if (strcmp(candidate, name) == 0) {
            *index = i;
            return ERR_NONE;
        }
    }
    farm_server_name(candidate, f->servers - 1);
    return error_set(err, ERR_NOT_FOUND, "no server '%s' in this farm; it has web01 to %s", name,
                     candidate);
}

bool farm_path(char out[PATH_MAX], const struct farm *f, const char *fmt, ...)
{
    char rest[512];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(rest, sizeof(rest), fmt, args);
    va_end(args);
    must(len >= 0 && (size_t)len < sizeof(rest));
    return text_format(out, PATH_MAX, "%s/%s", f->dir, rest);
}

void farm_server_path(char out[PATH_MAX], const struct farm *f, const char *fmt, ...)
{
    char rest[512];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(rest, sizeof(rest), fmt, args);
    va_end(args);
    must(len >= 0 && (size_t)len < sizeof(rest));
    must(text_format(out, PATH_MAX, "%s%s/%s", f->windows ? "Z:" : "", f->dir, rest));
}

void farm_socket(char out[108], const struct farm *f, const char *name)
{
    must(text_format(out, 108, "%s/%s.sock", f->run, name));
}

enum error_code farm_absolute(char out[PATH_MAX], const char *dir, struct error *err)
{
    char here[PATH_MAX];
    if (dir[0] == '\0')
        return error_set(err, ERR_INVALID, "--dir is empty: name a directory for the farm");
    if (dir[0] != '/' && !getcwd(here, sizeof(here)))
        return error_errno(err, errno, "current directory");
    bool fits = dir[0] == '/' ? text_copy(out, PATH_MAX, dir)
                              : text_format(out, PATH_MAX, "%s/%s", here, dir);
    /* Room for what is put below it. */
    if (!fits || strlen(out) > PATH_MAX - 600)
        return error_set(err, ERR_INVALID, "--dir is too long: %zu bytes", strlen(dir));
    for (size_t len = strlen(out); len > 1 && out[len - 1] == '/'; len--)
        out[len - 1] = '\0';
    return ERR_NONE;
}

/* --- the run directory --- */

static bool is_plain(const char *path)
{
    return strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") ==
           strlen(path);
}

static enum error_code make_run(struct farm *f, struct error *err)
{
    char link[PATH_MAX];
    farm_path(link, f, "run");
    if (is_plain(link) && text_copy(f->run, sizeof(f->run), link))
        return os_make_dir(link, 0700, err);
    text_copy(f->run, sizeof(f->run), "/tmp/lab-farm-XXXXXX");
    if (!mkdtemp(f->run))
        return error_errno(err, errno, "make %s", f->run);
    unlink(link);
    if (symlink(f->run, link) != 0)
        return error_errno(err, errno, "link %s to %s", link, f->run);
    return ERR_NONE;
}

/* --- the record --- */

static enum error_code save(const struct farm *f, struct error *err)
{
    char path[PATH_MAX];
    farm_path(path, f, "farm.json");
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:b, s:b, s:b, s:b, s:i, s:i}", "dir",
                             f->dir, "run", f->run, "servers", (int)f->servers, "base_port",
                             (int)f->base_port, "rate", (int)f->rate, "agents", f->agents,
                             "balancer", f->balancer, "traffic", f->traffic, "windows", f->windows,
                             "front_port", (int)farm_port_front(f), "slow_ms", (int)f->slow_ms);
    if (!json)
        return error_set(err, ERR_INVALID, "%s: the path is not UTF-8", f->dir);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    enum error_code code = os_write_file(path, text, strlen(text), 0644, err);
    free(text);
    return code;
}

enum error_code farm_load(struct farm *f, const char *dir, struct error *err)
{
    struct farm loaded = {0};
    char path[PATH_MAX];
    enum error_code code = farm_absolute(loaded.dir, dir, err);
    if (code != ERR_NONE)
        return code;
    farm_path(path, &loaded, "farm.json");
    json_error_t why;
    json_t *json = json_load_file(path, 0, &why);
    if (!json)
        return error_set(err, ERR_NOT_FOUND,
                         "no farm is up in %s (%s): start one with 'farm up --dir %s'", loaded.dir,
                         access(path, F_OK) != 0 ? "no farm.json" : why.text, dir);
    const char *run;
    int servers, base, rate, slow, agents, balancer, traffic, windows;
    int bad =
        json_unpack(json, "{s:s, s:i, s:i, s:i, s:i, s:b, s:b, s:b, s:b}", "run", &run, "servers",
                    &servers, "base_port", &base, "rate", &rate, "slow_ms", &slow, "agents",
                    &agents, "balancer", &balancer, "traffic", &traffic, "windows", &windows);
    if (!bad && text_copy(loaded.run, sizeof(loaded.run), run) && servers > 0 &&
        servers <= FARM_SERVERS_MAX) {
        loaded.servers = (unsigned)servers;
        loaded.base_port = (unsigned)base;
        loaded.rate = (unsigned)rate;
        loaded.slow_ms = (unsigned)slow;
        loaded.agents = agents;
        loaded.balancer = balancer;
        loaded.traffic = traffic;
        loaded.windows = windows;
        *f = loaded;
    } else {
        code = error_set(err, ERR_CORRUPT, "%s is not a farm's record", path);
    }
    json_decref(json);
    return code;
}

/* --- making and removing --- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    return where->level == 0 ? 0 : remove(path);
}

/* Everything below dir, not dir itself, and through no link. */
static enum error_code empty_dir(const char *dir, struct error *err)
{
    if (nftw(dir, remove_entry, 32, FTW_DEPTH | FTW_PHYS) != 0)
        return error_errno(err, errno, "empty %s", dir);
    return ERR_NONE;
}

static enum error_code claim_dir(const struct farm *f, struct error *err)
{
    char path[PATH_MAX];
    farm_path(path, f, "farm.json");
    if (access(path, F_OK) == 0)
        return error_set(err, ERR_EXISTS,
                         "a farm is up in %s: stop it with 'farm down --dir %s' first", f->dir,
                         f->dir);
    enum error_code code = os_make_dir(f->dir, 0755, err);
    if (code != ERR_NONE)
        return code;
    farm_path(path, f, MARKER);
    if (access(path, F_OK) == 0)
        code = empty_dir(f->dir, err);
    else if (rmdir(f->dir) != 0) /* only an empty one goes */
        code = error_set(err, ERR_EXISTS, "%s is not empty: name a new directory", f->dir);
    else
        code = os_make_dir(f->dir, 0755, err);
    if (code == ERR_NONE)
        code = os_write_file(path, "", 0, 0644, err);
    return code;
}

enum error_code farm_create(struct farm *f, struct error *err)
{
    char path[PATH_MAX];
    enum error_code code = claim_dir(f, err);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && code == ERR_NONE; i++) {
        farm_path(path, f, "%s", folders[i]);
        code = os_make_dir(path, 0755, err);
    }
    if (code == ERR_NONE)
        code = make_run(f, err);
    if (code == ERR_NONE)
        code = ports_reserve(f->dir, f->servers, &f->base_port, err);
    if (code == ERR_NONE)
        code = save(f, err);
    return code;
}

enum error_code farm_remove(const struct farm *f, bool purge, struct error *err)
{
    char path[PATH_MAX];
    ports_release(f->dir, f->base_port);
    enum error_code code = empty_dir(f->run, err);
    if (text_starts(f->run, "/tmp/lab-farm-"))
        rmdir(f->run);
    farm_path(path, f, "run");
    if (remove(path) != 0 && errno != ENOENT && code == ERR_NONE)
        code = error_errno(err, errno, "remove %s", path);
    farm_path(path, f, "farm.json");
    unlink(path);
    if (purge && code == ERR_NONE)
        code = empty_dir(f->dir, err);
    if (purge && code == ERR_NONE && rmdir(f->dir) != 0)
        code = error_errno(err, errno, "remove %s", f->dir);
    return code;
}
