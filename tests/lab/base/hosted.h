/* hosted.h - a service inside a host process, as the service manager sees it.
 *
 * STOPPED --start--> START_PENDING --hosted_running()--> RUNNING --stop--> STOP_PENDING
 *         --hosted_stopped()--> STOPPED. While pending the checkpoint grows twice a second.
 * The faults service-slow-start, service-slow-stop, service-start-fails and was-stuck act here, so
 * that owners need not know of them.
 *
 * A service is told {"control":"start|stop","service"} by its line and answers with {"service",
 * "state","checkpoint","wait_hint_ms","exit_code"}; when the last line closes, the host ends. On
 * Linux the line leads to lab-sc. On Windows it leads to a thread that speaks to the service
 * manager, in this process or, where the manager starts a process for each service, in another.
 */
#ifndef LAB_BASE_HOSTED_H
#define LAB_BASE_HOSTED_H

#include "tests/lab/base/line.h"
#include "tests/lab/base/settings.h"

enum service_state { /* the values of winsvc.h */
                     SVC_STOPPED = 1,
                     SVC_START_PENDING = 2,
                     SVC_STOP_PENDING = 3,
                     SVC_RUNNING = 4,
};
const char *hosted_state_name(enum service_state state);

struct hosted;

struct hosted_service {
    const char *name;
    void (*start)(void *arg); /* must lead to hosted_running() or hosted_failed() */
    void (*stop)(void *arg);  /* must lead to hosted_stopped() */
    void *arg;
    enum service_state state;
    unsigned checkpoint;
    bool begun, ended;   /* start or stop was called; stop has come to its end */
    uint64_t pending_ms; /* since when it is pending */
    struct hosted *host;
    struct line *line; /* lent; NULL: nobody was heard yet */
    struct loop_timer timer;
};

struct hosted {
    struct loop *loop;
    struct settings *settings;
    struct hosted_service *services;
    size_t count;
    int power_fd; /* for lab_os_end_with() of children; set by hosted_open() */
};

/* First of all, with the names of all services of this process. On Windows it returns in the
 * process of the first service alone; one started for another service stands in for it there,
 * until either ends. */
bool hosted_begin(const char *server_dir, const char *const *names, size_t count,
                  struct error *err);
/* Fills in host of each service and listens. The process ends when the server's power goes. */
bool hosted_open(struct hosted *h, struct error *err);
void hosted_running(struct hosted_service *s);
void hosted_failed(struct hosted_service *s, unsigned code);
void hosted_stopped(struct hosted_service *s);

#endif
