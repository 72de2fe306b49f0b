/* nng_close.h - close an nng socket without waiting for ever.
 *
 * nng_close() of 1.5.2 never returns when a message arrives in the moment of closing: the transport
 * starts to read its body on an aio that is stopped already, which nng drops without ending it
 * (tcptran_pipe_recv_cb, nni_aio_begin), and the thread that clears pipes away waits for it. Seen
 * in about half of the tries with an answer under way; the same in the ipc transport.
 */
#ifndef FARMHAND_COMMON_NNG_CLOSE_H
#define FARMHAND_COMMON_NNG_CLOSE_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

/* True: closed, no callback of the socket runs or will run. False: it still hangs after limit_ms;
 * whatever its callbacks use must stay, and the program should end (by _exit) soon. Blocks. */
bool nng_close_within(nng_socket socket, uint32_t limit_ms);

#endif
