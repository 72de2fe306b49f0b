/* api_socket.h - the unix socket of the API: who may listen on its name, and who is at the other
 * end. Source: unix(7). */
#ifndef FARMHAND_COORDINATOR_API_SOCKET_H
#define FARMHAND_COORDINATOR_API_SOCKET_H

#include "common/error.h"

#include <stddef.h>
#include <stdint.h>

struct api_socket {
    int fd;         /* listening; -1: none */
    char path[108]; /* of struct sockaddr_un */
    uint64_t device, inode;
};

/* Mode 0660. A socket file that nobody answers on is left over from a crash and taken over. */
enum error_code api_socket_open(const char *path, struct api_socket *out, struct error *err);
/* Removes the name if it is still ours; the descriptor belongs to who serves it. */
void api_socket_remove(const struct api_socket *s);

/* "anna", "uid 1234" without a name, "unknown" if the system does not tell. */
const char *api_socket_peer(int fd, char *out, size_t size_bytes);

#endif
