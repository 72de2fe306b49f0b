#include "tests/lab/appcmd/appcmd.h"

#include "tests/lab/base/line.h"

#include <stdio.h>

json_t *wire_call(struct appcmd *a, json_t *request, unsigned *code)
{
    char path[LAB_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/inetsrv/was.sock", a->dir);
    int probe = socket_connect_local(path, NULL);
    if (probe < 0) {
        json_decref(request);
        *code = WIN32_NOT_SUPPORTED;
        return NULL;
    }
    socket_close(probe);
    json_t *answer = line_call(path, request, 0, NULL);
    *code =
        answer ? (unsigned)json_integer_value(json_object_get(answer, "code")) : WIN32_RPC_FAILED;
    if (!*code)
        return answer;
    json_decref(answer);
    return NULL;
}
