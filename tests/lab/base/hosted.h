/* hosted.h - a service inside a host process, as the service manager sees it.
 *
 * STOPPED --start--> START_PENDING --hosted_running()--> RUNNING --stop--> STOP_PENDING
 *         --hosted_stopped()--> STOPPED. While pending the checkpoint grows twice a second.
 * The faults service-slow-start, service-slow-stop, service-start-fails and was-stuck act here, so
 * that owners need not know of them. The channel is a line to lab-sc: it sends
 * {"control","service"}, gets {"service","state","checkpoint","wait_hint_ms","exit_code"}; when it
 * closes, the host ends.
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
const char *service_state_name(enum service_state state);

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
    struct loop_timer timer;
};

struct hosted {
    struct line line;
    struct loop *loop;
    struct settings *settings;
    struct hosted_service *services;
    size_t count;
};

/* Fills in host of each service and listens on the channel. */
void hosted_open(struct hosted *h, int channel_fd);
void hosted_running(struct hosted_service *s);
void hosted_failed(struct hosted_service *s, unsigned code);
void hosted_stopped(struct hosted_service *s);

#endif
