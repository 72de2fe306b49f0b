/* box.h - one lab server in a temporary directory, for the lab's own tests.
 *
 * Every function fails the running test (cmocka) when the lab itself cannot be used.
 */
#ifndef LAB_CHECK_BOX_H
#define LAB_CHECK_BOX_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct box {
    char root[256], dir[300];
    unsigned port;
};

/* Attributes and elements of the pool Shop; NULL: none. lab: more lines of lab.conf. Up and ready
 * when it returns. */
void box_open(struct box *b, const char *attributes, const char *elements, const char *lab);
void box_make(struct box *b, const char *attributes, const char *elements, const char *lab);
void box_up(struct box *b);
void box_down(struct box *b);
void box_close(struct box *b); /* down, and the directory removed */

/* Words of a command line, ended by NULL. Returns the whole exit code; out (may be NULL) gets
 * stdout, to be freed. */
unsigned box_run(struct box *b, char **out, const char *program, ...);
/* appcmd with these words: exit code, and the output must hold `words` (NULL: any). */
void box_appcmd(struct box *b, unsigned code, const char *words, ...);
void box_sc(struct box *b, unsigned code, ...);
void box_fault(struct box *b, ...);
unsigned box_free_port(void);

struct reply {
    int status; /* -1: refused, -2: reset or closed without an answer */
    uint32_t pid;
    char reason[32]; /* X-Lab-Reason */
    char body[512];
};
struct reply box_get(struct box *b, const char *path);
struct reply box_send(struct box *b, const char *method, const char *path, const char *headers,
                      const char *body);

json_t *box_truth(struct box *b); /* the caller's */
/* A number by path "pools/Shop/recycles" in the truth; 0 if it is not there. */
long box_count(struct box *b, const char *path);
/* How many workers of a pool ended that way. */
unsigned box_ended(struct box *b, const char *pool, const char *how);
/* The last worker of that pid: has it read its settings, and may it be given requests? */
bool box_worker_ready(struct box *b, const char *pool, uint32_t pid);
bool box_event(struct box *b, unsigned event_id);

/* The service's field as the JSON output tells it. */
json_int_t box_service(struct box *b, const char *name, const char *field);
/* Pids of `appcmd list wp`, in order; how many. */
size_t box_workers(struct box *b, const char *pool, uint32_t *out, size_t max);
/* Polls until the condition holds; false if it has not for as long as any machine should take. */
bool box_until(struct box *b, bool (*holds)(struct box *b, void *arg), void *arg);
bool box_alive(uint32_t pid);
void box_sleep(uint64_t ms);
void box_kill(uint32_t pid);

/* Visitors: threads that send GET and POST for a while over kept and fresh connections. */
struct visitors;
struct visitors *box_visitors(struct box *b, unsigned threads, const char *path);
struct visited {
    unsigned requests, failures;
    unsigned kept_broken; /* kept connections that were closed between two requests */
};
struct visited box_visitors_end(struct visitors *v);

#endif
