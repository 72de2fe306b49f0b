/* audit_line.h - a row of the audit trail as one line of a system's log. Pure.
 *
 *   farmhand audit row=7 hash=... at=2026-11-22T20:00:01.000Z actor="anna" origin="192.0.2.7" ...
 *
 * Quotes and backslashes within a value stand behind a backslash, and nothing in it ends the line,
 * so that no words of a person can pass for fields of the row. The hash comes early: what a log
 * cuts off at the end does not cost the proof.
 */
#ifndef FARMHAND_COORDINATOR_AUDIT_LINE_H
#define FARMHAND_COORDINATOR_AUDIT_LINE_H

#include "common/text.h"
#include "coordinator/store/audit_chain.h"

/* Adds it, without an end of line. */
void audit_line(struct text *out, const struct audit_row *row);

#endif
