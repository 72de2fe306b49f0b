/* nng_reset.h - a connection that its peer resets is not taken for an end of our own.
 *
 * nng 1.5.2 knows EPIPE as NNG_ECLOSED (posix_debug.c). A connection that fails so while the two
 * sides greet each other hands the code to whoever opened it, and there it means "we were closed":
 * a listener lets nobody in any more (listener_accept_cb in listener.c), a dialer never dials again
 * (dialer_connect_cb in dialer.c). Linux gives EPIPE where a peer sent its end and then a reset
 * before our next bytes went out, so over TLS anybody who reaches the port could do that to a
 * coordinator, by a first message and two packets, before a certificate is asked for. Here EPIPE of
 * sendmsg(), which is what nng writes with, becomes ECONNRESET, after which both go on.
 *
 * On Windows, where only agents run, nng takes WSAECONNRESET itself for the same. There a dialer
 * that has given up is replaced by another: see redial_ms in agent/link.h.
 */
#ifndef FARMHAND_COMMON_NNG_RESET_H
#define FARMHAND_COMMON_NNG_RESET_H

/* Called by whoever opens a socket of nng, so that the translation is linked into the program:
 * there it holds from the start. Any thread, any number of times. */
void nng_reset_is_no_end(void);

#endif
