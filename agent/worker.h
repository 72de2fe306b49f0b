/* worker.h - the one thread that runs driver calls, in order.
 *
 * IIS and service calls block, up to two minutes for a stop; the brain never does. A call goes in
 * by worker_give, its result comes out through `deliver`, on the worker thread, which hands it to
 * the brain and leaves. Host figures go with a beat and a look, read at most once a second.
 */
#ifndef FARMHAND_AGENT_WORKER_H
#define FARMHAND_AGENT_WORKER_H

#include "agent/call.h"
#include "agent/driver.h"
#include "agent/dumps.h"
#include "agent/guardian.h"

struct worker_thread;

/* Takes the result over. */
typedef void worker_deliver(void *arg, struct call_result *result);

/* The driver is lent; from here on it belongs to the thread. guardian: lent; NULL: none can be
 * started. */
enum error_code worker_open(struct driver *driver, const struct guardian_spec *guardian,
                            worker_deliver *deliver, void *arg, struct worker_thread **out,
                            struct error *err);
/* Blocks until the call in hand has ended; those not begun are dropped. NULL is fine. */
void worker_close(struct worker_thread *w);

/* Whether and where dumps of evidence are made; before the first call. Without it: they are not. */
void worker_set_dumps(struct worker_thread *w, const struct dumps_spec *spec);

/* Never blocks. The call is copied. */
void worker_give(struct worker_thread *w, const struct call *call);

/* Makes one call, here and now; without the host's figures. */
struct call_result *worker_call(struct driver *driver, const struct guardian_spec *guardian,
                                const struct call *call);
void worker_result_free(struct call_result *result); /* NULL is fine */

#endif
