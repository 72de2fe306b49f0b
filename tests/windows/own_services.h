/* own_services.h - services of Windows' manager for the tests of this folder. The test program is
 * also each of them, as `PROGRAM --service`.
 */
#ifndef TESTS_WINDOWS_OWN_SERVICES_H
#define TESTS_WINDOWS_OWN_SERVICES_H

/* While an event of this name exists, they stay in STOP_PENDING. */
#define OWN_SERVICES_STUCK L"Farmhand test: services do not stop"

/* WAS, W3SVC and NetTcpActivator, which need it, and Bystander, all started on demand; those that
 * are there stay. */
void own_services_make(void);

/* Be the service that is being started; the exit code. */
int own_services_serve(void);

#endif
