/* socket.h - sockets, as the lab's streams and clients need them. A body per system.
 *
 * A descriptor is an int on both systems: a Windows socket is a handle, and those have 32
 * significant bits. Nothing made here is inherited by child processes, but for what lab_os_spawn()
 * is told to hand over. Local sockets are named by a path; on Linux that is a unix socket, whose
 * path may be longer than the system's limit for socket addresses, on Windows a port of the
 * loopback and a word to know it by, both in the file of that name.
 */
#ifndef LAB_BASE_SOCKET_H
#define LAB_BASE_SOCKET_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -1 on failure. Listeners, what they accept and pairs never block; connected ones do. */
int socket_listen_local(const char *path, struct error *err); /* replaces an old socket */
int socket_connect_local(const char *path, struct error *err);
int socket_listen_tcp(const char *address, unsigned port, struct error *err); /* 0: any port */
int socket_connect_tcp(unsigned port, struct error *err); /* of the loopback */
unsigned socket_port(int fd);                             /* its own */
int socket_accept(int listener); /* -1: nobody there */
bool socket_pair(int out[2], struct error *err);
void socket_close(int fd);
void socket_abort(int fd); /* closes; the peer sees a reset */

/* Without waiting. Bytes; 0: not now; -1: broken, and for reading also at its end. */
long socket_send(int fd, const void *bytes, size_t len);
long socket_receive(int fd, void *out, size_t size);

/* Waiting. socket_take gives bytes, or 0: closed or broken, -1: nothing within timeout_ms (0: waits
 * for ever). */
bool socket_put(int fd, const void *bytes, size_t len);
long socket_take(int fd, void *out, size_t size, uint64_t timeout_ms);

#endif
