/* w3wp.h - the inside of a lab worker process: what it is and how it answers.
 *
 * One thread serves; a second only watches the power (lab_os_end_with). A hanging worker stops
 * serving and reading, and so misses its pings, like a real one with no thread left.
 */
#ifndef LAB_W3WP_H
#define LAB_W3WP_H

#include "tests/lab/base/frame.h"
#include "tests/lab/base/http.h"
#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/settings.h"

#include "common/text.h"

#define TICK_MS 200 /* how often faults that need no request are looked at */

struct session {
    unsigned long key;
    unsigned visits;
};

struct w3wp {
    struct loop *loop;
    struct stream was;
    struct settings *settings;
    const char *pool, *server;
    struct lab_id self;
    uint64_t served;
    uint32_t child;  /* dotnet.exe; 0: none */
    int child_fd;    /* its power, while there is one */
    unsigned inside; /* requests that were taken and not answered yet */
    bool ready, stopping, orphaned, lingering;
    bool born_sick; /* the fault worker-500 was on when it was started */
    struct loop_timer start_timer, tick_timer, crash_timer, linger_timer;
    struct session *sessions;
    size_t session_count;
};

/* Takes one request out of a frame and answers it, now or later. */
void w3wp_answer(struct w3wp *w, uint64_t id, const char *payload, size_t len);
/* The process stops doing anything while `still` says so. */
void w3wp_hang(struct w3wp *w, bool (*still)(struct w3wp *w));
void w3wp_answered(struct w3wp *w); /* main.c: one less inside */

/* child.c */
void faults_use(struct settings *settings, const char *pool); /* worker-leaks, worker-burns */
bool child_wanted(const struct w3wp *w);                      /* [pool] out_of_process = yes */
void child_keep(struct w3wp *w);                              /* starts it unless it lives */
bool child_called(int argc, char **argv);                     /* as dotnet.exe NAME.dll */
int child_main(const char *server_dir, const char *dll);

#endif
