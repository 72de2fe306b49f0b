/* client.h - a client of the API that can also behave badly: it sends and reads bytes. */
#ifndef FARMHAND_TESTS_COORDINATOR_API_CLIENT_H
#define FARMHAND_TESTS_COORDINATOR_API_CLIENT_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>

struct client {
    int fd;
    struct text unread; /* read already, belongs to the next answer */
};

struct client client_open(const char *socket_path);
void client_close(struct client *c);
bool client_send(struct client *c, const void *bytes, size_t len); /* false: the peer closed */
/* A whole request; body NULL: none. */
void client_ask(struct client *c, const char *method, const char *target, const char *body);
/* The next answer: its status, and the body if wanted (free with text_reset). -1: closed before. */
int client_answer(struct client *c, struct text *body);
/* Reads until the bytes so far contain `part` (true) or the peer closed (false). 10 s at most. */
bool client_read_until(struct client *c, const char *part);
/* Reads until the peer closes. */
void client_read_rest(struct client *c);

#endif
