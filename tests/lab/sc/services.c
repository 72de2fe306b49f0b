/* services.c - sc.exe's verbs: its output in text, or what the desk said as JSON. */
#include "tests/lab/sc/verbs.h"

#include "tests/lab/base/hosted.h"
#include "tests/lab/base/win32.h"

#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *s, const char *key)
{
    const char *value = json_string_value(json_object_get(s, key));
    return value ? value : "";
}

static int number(const json_t *s, const char *key)
{
    return (int)json_integer_value(json_object_get(s, key));
}

static void print_status(const json_t *s, bool extended)
{
    bool stops = json_is_true(json_object_get(s, "accepts_stop"));
    bool shares = json_is_true(json_object_get(s, "shares_process"));
    printf("\nSERVICE_NAME: %s\n", text_of(s, "name"));
    printf("        TYPE               : %s\n",
           shares ? "20  WIN32_SHARE_PROCESS " : "10  WIN32_OWN_PROCESS  ");
    printf("        STATE              : %d  %s \n", number(s, "state"), text_of(s, "state_name"));
    printf("                                (%s, NOT_PAUSABLE, %s)\n",
           stops ? "STOPPABLE" : "NOT_STOPPABLE", stops ? "ACCEPTS_SHUTDOWN" : "IGNORES_SHUTDOWN");
    printf("        WIN32_EXIT_CODE    : %d  (0x%x)\n", number(s, "exit_code"),
           (unsigned)number(s, "exit_code"));
    printf("        SERVICE_EXIT_CODE  : 0  (0x0)\n");
    printf("        CHECKPOINT         : 0x%x\n", (unsigned)number(s, "checkpoint"));
    printf("        WAIT_HINT          : 0x%x\n", (unsigned)number(s, "wait_hint_ms"));
    if (extended)
        printf("        PID                : %d\n        FLAGS              : \n",
               number(s, "pid"));
}

static void print_config(const json_t *s)
{
    size_t i;
    json_t *depend;
    printf("[SC] QueryServiceConfig SUCCESS\n\nSERVICE_NAME: %s\n", text_of(s, "name"));
    printf("        START_TYPE         : %d   %s\n", number(s, "start_type"),
           text_of(s, "start_name"));
    printf("        DISPLAY_NAME       : %s\n", text_of(s, "display"));
    printf("        DEPENDENCIES       : ");
    json_array_foreach(json_object_get(s, "depends"), i, depend)
        printf("%s%s\n", i ? "                           : " : "", json_string_value(depend));
    if (i == 0)
        printf("\n");
}

static void print_text(const char *verb, bool one, const json_t *answer)
{
    size_t i;
    json_t *s, *list = json_object_get(answer, "services");
    if (strcmp(verb, "config") == 0) {
        printf("[SC] ChangeServiceConfig SUCCESS\n");
        return;
    }
    if (strcmp(verb, "enumdepend") == 0)
        printf("Enum: entriesRead = %zu\n", json_array_size(list));
    json_array_foreach(list, i, s)
    {
        if (strcmp(verb, "qc") == 0)
            print_config(s);
        else if (one || number(s, "state") != SVC_STOPPED)
            print_status(s, strcmp(verb, "queryex") == 0 || strcmp(verb, "start") == 0);
    }
}

static const char *function_of(const char *verb)
{
    if (strcmp(verb, "start") == 0)
        return "StartService";
    if (strcmp(verb, "stop") == 0)
        return "ControlService";
    if (strcmp(verb, "config") == 0)
        return "ChangeServiceConfig";
    return "EnumQueryServicesStatus:OpenService";
}

static json_t *make_request(const struct verb_context *c, const char *op)
{
    json_t *o = json_pack("{s:s}", "op", op);
    const char *start = verb_option(c, "start=");
    if (c->argc > 1)
        json_object_set_new(o, "service", json_string(c->argv[1]));
    if (start)
        json_object_set_new(o, "start", json_string(start));
    return o;
}

unsigned verb_service(const struct verb_context *c)
{
    const char *verb = c->argv[0];
    bool reads = strcmp(verb, "queryex") == 0 || strcmp(verb, "qc") == 0;
    struct error err = {0};
    json_t *answer = services_ask(c->dir, make_request(c, reads ? "query" : verb), &err);
    if (!answer) {
        fprintf(stderr, "sc: the server does not run: %s\n", err.text);
        return 1722;
    }
    unsigned code = (unsigned)number(answer, "code");
    if (c->json) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        printf("\n");
    } else if (code) {
        printf("[SC] %s FAILED %u:\n\n%s\n\n", function_of(verb), code, win32_text(code));
    } else {
        print_text(verb, c->argc > 1, answer);
    }
    json_decref(answer);
    return code;
}
