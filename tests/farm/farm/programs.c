/* programs.c - see programs.h. */
#include "tests/farm/farm/programs.h"

#include "common/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Candidates below the build directory, or absolute. The preset mingw builds beside this one. */
static const char *const places[][4] = {
    [PROGRAM_LAB_SC] = {"tests/lab/lab-sc"},
    [PROGRAM_VISITORS] = {"tests/farm/lab-visitors"},
    [PROGRAM_FARM] = {"tests/farm/lab-farm"},
    [PROGRAM_AGENT] = {"agent/farmhand-agent"},
    [PROGRAM_COORDINATOR] = {"coordinator/farmhand-coordinator"},
    [PROGRAM_FARMHAND] = {"coordinator/farmhand"},
    [PROGRAM_HAPROXY] = {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy"},
    [PROGRAM_WINE] = {FARM_SOURCES "/tests/windows/wine"},
    [PROGRAM_WINDOWS_LAB_SC] = {"../mingw/tests/lab/lab-sc.exe"},
    [PROGRAM_WINDOWS_AGENT] = {"../mingw/agent/farmhand-agent.exe"},
};

/* BUILD of BUILD/tests/farm/lab-farm. */
static enum error_code build_dir(char out[PATH_MAX], struct error *err)
{
    ssize_t len = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (len < 0)
        return error_errno(err, errno, "/proc/self/exe");
    out[len] = '\0';
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(out, '/');
        if (slash)
            *slash = '\0';
    }
    return ERR_NONE;
}

enum error_code programs_find(enum program program, char out[PATH_MAX], struct error *err)
{
    char build[PATH_MAX];
    enum error_code code = build_dir(build, err);
    if (code != ERR_NONE)
        return code;
    for (size_t i = 0; i < 4 && places[program][i]; i++) {
        const char *place = places[program][i];
        bool fits = place[0] == '/' ? text_copy(out, PATH_MAX, place)
                                    : text_format(out, PATH_MAX, "%s/%s", build, place);
        if (fits && access(out, X_OK) == 0)
            return ERR_NONE;
    }
    if (program == PROGRAM_HAPROXY)
        return error_set(err, ERR_NOT_FOUND,
                         "haproxy is not installed: 'apt-get install haproxy', or use "
                         "--balancer none");
    if (program == PROGRAM_WINDOWS_LAB_SC || program == PROGRAM_WINDOWS_AGENT)
        return error_set(err, ERR_NOT_FOUND,
                         "%s/%s is not built: run deploy/windows/build, and for the lab 'cmake "
                         "--build --preset mingw'",
                         build, places[program][0]);
    return error_set(err, ERR_NOT_FOUND, "%s/%s is not built: run 'cmake --build %s'", build,
                     places[program][0], build);
}
