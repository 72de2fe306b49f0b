/* hosted_internal.h - between hosted.c and its body for the system; nobody else includes it. */
#ifndef LAB_BASE_HOSTED_INTERNAL_H
#define LAB_BASE_HOSTED_INTERNAL_H

#include "tests/lab/base/hosted.h"

/* Listens to one who tells services what to do; the services it names report to it. */
struct line *hosted_line(struct hosted *h, int fd);

/* The body: gives the services their lines, now or when they come, and sets h->power_fd. */
bool hosted_connect(struct hosted *h, struct error *err);

#endif
