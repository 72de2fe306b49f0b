/* audit_view.h - a row of the audit trail as JSON: what the desk shows and a webhook is told, with
 * all that its hash covers.
 */
#ifndef FARMHAND_COORDINATOR_AUDIT_VIEW_H
#define FARMHAND_COORDINATOR_AUDIT_VIEW_H

#include "coordinator/store/audit_chain.h"

#include <jansson.h>

json_t *view_audit(const struct audit_row *row);

#endif
