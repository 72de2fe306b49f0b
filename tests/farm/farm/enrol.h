/* enrol.h - a farm with TLS: its CA, and every server joined, as an operator does it. */
#ifndef FARM_FARM_ENROL_H
#define FARM_FARM_ENROL_H

#include "tests/farm/farm/farm.h"

/* Before the coordinator starts. */
enum error_code enrol_init(const struct farm *f, struct error *err);
/* Once it runs, before the agents do: a token, and `farmhand-agent join` for each server. */
enum error_code enrol_join_all(const struct farm *f, struct error *err);

#endif
