/* scm.h - the service control manager of one lab server, as services.exe is on Windows.
 *
 *   database.c  which services there are: built in, from lab.conf, start types that sc config saved
 *   scm.c       hosts (processes), states, start with dependencies, stop, death of a host
 *   desk.c      control.sock: what sc asks
 *
 * Service: STOPPED -> START_PENDING -> RUNNING -> STOP_PENDING -> STOPPED, as its host reports;
 *          any -> STOPPED with 1067 when its host dies. HTTP is a driver: it has no host.
 */
#ifndef LAB_SC_SCM_H
#define LAB_SC_SCM_H

#include "tests/lab/base/hosted.h"
#include "tests/lab/base/truth.h"
#include "tests/lab/base/win32.h"

#define SCM_SERVICES 24
#define SCM_DEPENDS  4
#define SCM_NAME     64

enum start_type { START_AUTO = 2, START_DEMAND = 3, START_DISABLED = 4 };

struct scm;
struct desk_call;

struct host {
    struct scm *scm;
    char name[SCM_NAME]; /* "iissvcs", or the one service's own name */
    struct lab_id id;    /* pid 0: no process */
    bool closing;        /* every service has stopped: told to end */
    struct line line;
};

struct service {
    char name[SCM_NAME], display[128], host_name[SCM_NAME]; /* host_name "": a driver */
    char depends[SCM_DEPENDS][SCM_NAME];
    size_t depend_count;
    enum start_type start_type;
    enum service_state state;
    unsigned checkpoint, wait_hint_ms, exit_code;
    struct host *host;
    bool start_wanted; /* waits for dependencies or for the old process to end */
    bool start_failed; /* the last start ended in STOPPED */
};

struct scm {
    const char *dir;
    struct loop *loop;
    struct settings *settings;
    struct tally *tally;
    struct service services[SCM_SERVICES];
    size_t service_count;
    struct host hosts[SCM_SERVICES];
    size_t host_count;
    struct desk_call *calls;
    int desk_fd, power_fd; /* power_fd: the end that children hold */
    bool booted;           /* told on stdout as "ready", once */
};

/* database.c */
bool database_open(struct scm *scm, struct error *err);
bool database_save_type(struct scm *scm, struct service *s, enum start_type type,
                        struct error *err);
struct service *database_find(struct scm *scm, const char *name);
bool start_type_parse(const char *word, enum start_type *out); /* auto, demand, disabled */
const char *start_type_name(enum start_type type);             /* AUTO_START, ... */

/* scm.c; codes are Win32's */
unsigned scm_start(struct scm *scm, struct service *s); /* begun; see start_wanted */
unsigned scm_stop(struct scm *scm, struct service *s);
void scm_boot(struct scm *scm); /* starts what starts by itself */
void scm_look(struct scm *scm); /* starts that waited may go on now */
void scm_child_ended(struct scm *scm, const struct lab_end *end);
bool scm_depends_on(const struct service *s, const char *name);

/* desk.c */
bool desk_open(struct scm *scm, struct error *err);
void desk_look(struct scm *scm); /* a state has changed: answer those who wait */

/* run_posix.c, run_win32.c: `lab-sc run`; returns when it is told down */
int run_server(const char *dir, struct error *err);

/* idle.c: the host of services that do nothing */
int run_idle(char **names, int count);

#endif
