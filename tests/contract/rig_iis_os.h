/* rig_iis_os.h - what the rig of the iis driver needs of the system; a body per system. */
#ifndef TESTS_CONTRACT_RIG_IIS_OS_H
#define TESTS_CONTRACT_RIG_IIS_OS_H

#include "tests/contract/rig.h"

extern const char *const rig_iis_backend; /* the driver's service back end here (scm_names) */
/* Whether rig_iis_put_secret() leaves this process without the word, as far as its memory tells. */
extern const bool rig_iis_memory_tells;

/* Several services in one process. */
extern const bool rig_iis_shares_process;

/* Whether the manager still knows what the service depends on: Wine's forgets it when a start type
 * is changed. */
bool rig_iis_knows_needs(const char *service);

/* Starts the lab server and returns when it is ready. It ends with this process, however that ends:
 * on Windows with the Wine that this test has for itself. */
void rig_iis_start(const char *lab_sc, const char *server);
void rig_iis_stopped(void); /* after `lab-sc down`: until it is gone */

/* Copies a file, its @SECRET@ replaced by the word that is given backwards. */
void rig_iis_put_secret(const char *from, const char *to, const char *backwards);

/* Holds the lock of iis_lock.h as another process would, or lets it go. false: there is none. */
bool rig_iis_hold_config(bool on);

/* Whether the world can be disturbed so. Windows' own service manager cannot be told to fail. */
bool rig_iis_can(enum disturbance what);

/* As memory.h; asked only where rig_iis_memory_tells. */
char *rig_iis_memory_find(const char *backwards);

#endif
