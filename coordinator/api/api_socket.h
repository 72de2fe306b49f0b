/* api_socket.h - the unix socket of the API: who may listen on its name, and who is at the other
 * end. Source: unix(7). */
#ifndef FARMHAND_COORDINATOR_API_SOCKET_H
#define FARMHAND_COORDINATOR_API_SOCKET_H

#include "common/error.h"
#include "coordinator/link/door.h"

#include <stddef.h>
#include <stdint.h>

struct api_socket {
    int fd;         /* listening; -1: none */
    char path[108]; /* of struct sockaddr_un */
    uint64_t device, inode;
};

struct api_far_socket {
    int fd; /* listening */
    uint16_t port;
};

struct sockaddr;

/* ADDRESS:PORT, an IPv6 address in brackets, port 0 for any: a listening socket. ERR_EXISTS:
 * somebody else has it. */
enum error_code api_socket_far(const char *listen, struct api_far_socket *out, struct error *err);
/* The same, looked at alone. */
enum error_code api_socket_far_check(const char *listen, struct error *err);
/* "192.0.2.7", "2001:db8::1", "unknown". */
const char *api_socket_address(const struct sockaddr *address, char *out, size_t size_bytes);

/* As door.h names it. */
void api_socket_network(const struct sockaddr *address, char out[DOOR_ADDRESS_MAX]);

/* Mode 0660. A socket file that nobody answers on is left over from a crash and taken over. */
enum error_code api_socket_open(const char *path, struct api_socket *out, struct error *err);
/* Removes the name if it is still ours; the descriptor belongs to who serves it. */
void api_socket_remove(const struct api_socket *s);

/* "anna", "uid 1234" without a name, "unknown" if the system does not tell. */
const char *api_socket_peer(int fd, char *out, size_t size_bytes);

#endif
