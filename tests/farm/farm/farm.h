/* farm.h - one farm: where it lives, which ports it has, what belongs to it.
 *
 * A farm is a directory. farm.json in it is written before anything is started, so that `down`
 * finds everything even after `up` was killed half-way. Sockets live in `run`, which is DIR/run, or
 * a short directory below /tmp (DIR/run then points there) when DIR is too long for a unix socket
 * (108 bytes, unix(7)) or has letters that a configuration file would trip over.
 */
#ifndef FARM_FARM_FARM_H
#define FARM_FARM_FARM_H

#include "common/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define FARM_SERVERS_MAX 64
#define FARM_RUN_MAX     72 /* so that run/NAME.sock and HAProxy's own suffix fit */
#define FARM_NAME_MAX    16

struct farm {
    char dir[PATH_MAX];     /* absolute */
    char run[FARM_RUN_MAX]; /* absolute */
    unsigned servers;       /* web01, web02, ... */
    unsigned base_port;     /* first of the block reserved for this farm */
    unsigned rate;
    unsigned slow_ms; /* one visitor in 28 asks for a page that takes so long; 0: none does */
    bool agents;      /* coordinator and agents */
    bool balancer, traffic;
    bool tls;     /* between them; every server joins with a token */
    bool windows; /* servers and agents are Windows programs, each server in a Wine of its own */
};

/* Ports, all on 127.0.0.1. */
unsigned farm_port_front(const struct farm *f);
unsigned farm_port_stats(const struct farm *f);
unsigned farm_port_coordinator(const struct farm *f);
unsigned farm_port_server(const struct farm *f, unsigned index); /* index from 0 */

void farm_server_name(char out[FARM_NAME_MAX], unsigned index); /* 0 -> "web01" */
/* ERR_NOT_FOUND names the servers that there are. */
enum error_code farm_server_find(const struct farm *f, const char *name, unsigned *index,
                                 struct error *err);

/* DIR/the rest; false (and an error) if it is longer than a path may be. */
bool farm_path(char out[PATH_MAX], const struct farm *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same path as the server's programs have to be told it: seen from Wine, this machine's files
 * lie on drive Z. */
void farm_server_path(char out[PATH_MAX], const struct farm *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void farm_socket(char out[108], const struct farm *f, const char *name); /* run/NAME.sock */

/* Makes the directories and the record; f->dir is set by the caller, run and base_port here.
 * Refuses a directory with anything in it that is not a stopped farm's; that is replaced. */
enum error_code farm_create(struct farm *f, struct error *err);
/* ERR_NOT_FOUND: no farm is up there. */
enum error_code farm_load(struct farm *f, const char *dir, struct error *err);
/* Gives back ports and the run directory; logs and servers stay unless purge. */
enum error_code farm_remove(const struct farm *f, bool purge, struct error *err);

/* Absolute path of dir, which need not exist yet. */
enum error_code farm_absolute(char out[PATH_MAX], const char *dir, struct error *err);

#endif
