/* ask_posix.c - the services as lab-sc has them, which plays the service manager. */
#include "tests/lab/sc/verbs.h"

#include "tests/lab/base/lab_os.h"
#include "tests/lab/base/line.h"

#include <stdio.h>

#define ANSWER_MS 120000

json_t *services_ask(const char *dir, json_t *request, struct error *err)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/control.sock", dir);
    return line_call(path, request, ANSWER_MS, err);
}
