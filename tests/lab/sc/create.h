/* create.h - makes the directory of a lab server (LAB.md, "The directory"). */
#ifndef LAB_SC_CREATE_H
#define LAB_SC_CREATE_H

#include "common/error.h"

struct create_options {
    const char *name;   /* NULL: the folder's own */
    const char *port;   /* of the default configuration; NULL: 18081 */
    const char *config; /* applicationHost.config to copy; NULL: the default one */
    const char *lab;    /* lab.conf to copy; NULL: one with the name alone */
};

/* ERR_EXISTS if there is a server in `dir` already. */
enum error_code create_server(const char *dir, const struct create_options *options,
                              struct error *err);

#endif
