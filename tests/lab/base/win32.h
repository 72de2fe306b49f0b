/* win32.h - the Win32 codes that sc and appcmd answer with, and their texts (winerror.h). */
#ifndef LAB_BASE_WIN32_H
#define LAB_BASE_WIN32_H

enum win32_code {
    WIN32_OK = 0,
    WIN32_NOTHING = 1,
    WIN32_ACCESS_DENIED = 5,
    WIN32_INVALID_DATA = 13,
    WIN32_SHARING_VIOLATION = 32,
    WIN32_NOT_SUPPORTED = 50,
    WIN32_INVALID_PARAMETER = 87,
    WIN32_WAIT_TIMEOUT = 258,
    WIN32_DEPENDENTS_RUNNING = 1051,
    WIN32_INVALID_CONTROL = 1052,
    WIN32_REQUEST_TIMEOUT = 1053,
    WIN32_ALREADY_RUNNING = 1056,
    WIN32_DISABLED = 1058,
    WIN32_NO_SUCH_SERVICE = 1060,
    WIN32_CANNOT_ACCEPT = 1061,
    WIN32_NOT_ACTIVE = 1062,
    WIN32_PROCESS_ABORTED = 1067,
    WIN32_DEPENDENCY_FAIL = 1068,
    WIN32_NOT_FOUND = 1168,
    WIN32_RPC_FAILED = 1726,
    WIN32_NO_SUCH_POOL = 4312,
};

const char *win32_text(unsigned code); /* never NULL */

/* The program's end: the whole code goes to the descriptor named in FARMHAND_EXIT_FD, too, since
 * a Linux exit status has 8 bits. Returns what main() returns. */
int win32_exit(unsigned code);

#endif
