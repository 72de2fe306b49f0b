/* lab_os_win32.h - between the Windows bodies of lab_os.h and poller.h; nobody else includes it. */
#ifndef LAB_BASE_LAB_OS_WIN32_H
#define LAB_BASE_LAB_OS_WIN32_H

/* `wake` is called in a thread of the system's when a child has ended: lab_os_reap() tells which.
 * Set before the first child is started. */
void lab_os_on_child_end(void (*wake)(void *arg), void *arg);

#endif
