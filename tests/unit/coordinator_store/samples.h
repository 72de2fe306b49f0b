/* samples.h - a run, a lease, a command with a different value in every field. */
#ifndef FARMHAND_TESTS_COORDINATOR_STORE_SAMPLES_H
#define FARMHAND_TESTS_COORDINATOR_STORE_SAMPLES_H

#include "coordinator/core/rollout.h"
#include "coordinator/store/store.h"

struct wire_id sample_id(uint8_t first);
/* Free with rollout_free; id 0. */
struct rollout *sample_run(size_t target_count);
void sample_target(struct rollout_target *t, uint32_t order);
void sample_places(struct balancer_entry *places, uint32_t count);
struct store_command sample_command(uint64_t run);

/* Opens or fails the test. */
struct store *sample_store(const char *path, struct fence *out_fence);

#endif
