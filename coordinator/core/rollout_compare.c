/* Before and after: what a gate compares beside its probe.
 *
 * Before the act the pool is measured with a probe of its own, on the same question that decides to
 * take the server. After it each look of the gate, and of the soak, is held against that. What was
 * asked for and cannot be told does not pass; what a sick pool answered before is no measure.
 */
#include "coordinator/core/rollout_impl.h"

#include "common/text.h"

#include <inttypes.h>

#define LATENCY_NOISE_MS 20 /* a limit below is this: a few milliseconds are chance */

static bool is_set(const struct bound *b)
{
    return b->set;
}

bool compare_wants_probe(const struct rollout *r)
{
    const struct rollout_options *o = &r->options;
    return is_set(&o->gate_latency) && o->gate_latency.percent && r->action == ROLLOUT_RECYCLE;
}

bool compare_asks_probe(const struct rollout *r)
{
    return r->action == ROLLOUT_SERVICE_RECOVER || compare_wants_probe(r);
}

static uint64_t memory_of(const struct observation *seen)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < seen->worker_count; i++) {
        sum += seen->workers[i].memory_bytes;
    }
    return sum;
}

struct measure compare_measure(const struct observation *seen)
{
    return (struct measure){.taken = true,
                            .probe_ms = seen->probed && seen->probe_passed ? seen->probe_ms : 0,
                            .probed = seen->probed && seen->probe_passed,
                            .queued = seen->pool.queued,
                            .rejected_known = seen->rejected_known,
                            .rejected = seen->rejected,
                            .memory_bytes = memory_of(seen)};
}

/* false: nothing to hold it against. */
static bool limit_of(const struct bound *b, bool known, uint64_t before, uint64_t *out)
{
    if (!is_set(b) || (b->percent && !known)) {
        return false;
    }
    *out = b->percent ? before / 100 * b->value + before % 100 * b->value / 100 : b->value;
    return true;
}

static const char *latency_misses(const struct rollout_options *o, const struct measure *before,
                                  const struct observation *seen, char *text, size_t size)
{
    uint64_t limit_ms;
    if (!limit_of(&o->gate_latency, before->probed, before->probe_ms, &limit_ms) || !seen->probed) {
        return NULL;
    }
    if (o->gate_latency.percent && limit_ms < LATENCY_NOISE_MS) {
        limit_ms = LATENCY_NOISE_MS;
    }
    if (seen->probe_ms <= limit_ms) {
        return NULL;
    }
    text_format(text, size, "the probe took %ums, at most %" PRIu64 "ms are allowed (before: %ums)",
                seen->probe_ms, limit_ms, before->probe_ms);
    return text;
}

static const char *queue_misses(const struct rollout_options *o, const struct observation *seen,
                                char *text, size_t size)
{
    if (!is_set(&o->gate_queue)) {
        return NULL;
    }
    if (seen->pool.queued < 0) {
        return "the length of the queue is not known, and a limit was set on it";
    }
    if ((uint64_t)seen->pool.queued <= o->gate_queue.value) {
        return NULL;
    }
    text_format(text, size, "%" PRId64 " requests are queued, at most %" PRIu64 " are allowed",
                seen->pool.queued, o->gate_queue.value);
    return text;
}

/* A counter that began anew counts from there. */
static const char *errors_misses(const struct rollout_options *o, const struct measure *before,
                                 const struct observation *seen, char *text, size_t size)
{
    if (!is_set(&o->gate_errors)) {
        return NULL;
    }
    if (!seen->rejected_known) {
        return "how many requests were rejected is not known, and a limit was set on it";
    }
    bool goes_on = before->rejected_known && seen->rejected >= before->rejected;
    uint64_t since = goes_on ? seen->rejected - before->rejected : seen->rejected;
    if (since <= o->gate_errors.value) {
        return NULL;
    }
    text_format(text, size,
                "%" PRIu64 " requests were answered 503 since before, at most %" PRIu64
                " are allowed",
                since, o->gate_errors.value);
    return text;
}

static const char *memory_misses(const struct rollout_options *o, const struct measure *before,
                                 const struct observation *seen, char *text, size_t size)
{
    uint64_t limit, now = memory_of(seen);
    if (!limit_of(&o->gate_memory, before->memory_bytes > 0, before->memory_bytes, &limit)) {
        return NULL;
    }
    if (now <= limit) {
        return NULL;
    }
    text_format(text, size,
                "its workers use %" PRIu64 " MiB, at most %" PRIu64 " are allowed (before: %" PRIu64
                ")",
                now >> 20, limit >> 20, before->memory_bytes >> 20);
    return text;
}

const char *compare_misses(const struct rollout *r, const struct rollout_target *t,
                           const struct observation *seen, char *text, size_t size)
{
    const struct rollout_options *o = &r->options;
    if (t->act_failed) {
        return NULL; /* it is only to be put back: that it serves is enough */
    }
    const char *missing = latency_misses(o, &t->before, seen, text, size);
    missing = missing ? missing : queue_misses(o, seen, text, size);
    missing = missing ? missing : errors_misses(o, &t->before, seen, text, size);
    return missing ? missing : memory_misses(o, &t->before, seen, text, size);
}
