/* ask.c - see ask.h. */
#include "tests/farm/farm/ask.h"

#include "tests/farm/farm/programs.h"

#include "common/http.h"
#include "common/process.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 << 20)

static int dial(const char *socket_path, struct error *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 5};
    text_copy(to.sun_path, sizeof(to.sun_path), socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        return fd;
    }
    error_set(err, ERR_UNREACHABLE, "nobody listens at %s: %s", socket_path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

char *ask_line(const char *socket_path, const char *line, bool one_line, struct error *err)
{
    char bytes[16384];
    struct text answer = {0};
    ssize_t got = -1;
    int fd = dial(socket_path, err);
    if (fd < 0)
        return NULL;
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line) &&
        send(fd, "\n", 1, MSG_NOSIGNAL) == 1) {
        while (answer.len < ANSWER_MAX && (got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
            text_add_bytes(&answer, bytes, (size_t)got);
            if (one_line && bytes[got - 1] == '\n')
                break;
        }
    }
    close(fd);
    if (got < 0 || answer.len == 0) {
        error_set(err, ERR_TIMEOUT, "no answer from %s within 5 s", socket_path);
        text_reset(&answer);
        return NULL;
    }
    return text_take(&answer);
}

static json_t *parse(char *text, const char *whose, struct error *err)
{
    json_error_t why;
    json_t *json = text ? json_loads(text, 0, &why) : NULL;
    if (text && !json)
        error_set(err, ERR_CORRUPT, "%s: not JSON: %s", whose, why.text);
    free(text);
    return json;
}

json_t *ask_visitors(const struct farm *f, const char *line, struct error *err)
{
    char socket_path[108];
    farm_socket(socket_path, f, "visitors");
    return parse(ask_line(socket_path, line, true, err), "visitors", err);
}

json_t *ask_coordinator(const struct farm *f, const char *path, struct error *err)
{
    char socket_path[108], url[512];
    struct http_reply reply = {0};
    farm_socket(socket_path, f, "farmhand");
    text_format(url, sizeof(url), "http://coordinator%s", path);
    struct http_call call = {.method = "GET",
                             .url = url,
                             .unix_socket = socket_path,
                             .timeout_ms = 5000,
                             .response_max_bytes = ANSWER_MAX};
    if (http_request(&call, &reply, err) != ERR_NONE)
        return NULL;
    if (reply.status != 200) {
        error_set(err, ERR_STATE, "coordinator: %s: status %d: %.200s", path, reply.status,
                  reply.body);
        free(reply.body);
        return NULL;
    }
    return parse(reply.body, "coordinator", err);
}

json_t *ask_truth(const struct farm *f, unsigned index, struct error *err)
{
    char tool[PATH_MAX], dir[PATH_MAX], name[FARM_NAME_MAX];
    struct process_result result = {0};
    enum error_code code = programs_find(PROGRAM_LAB_SC, tool, err);
    if (code != ERR_NONE)
        return NULL;
    farm_server_name(name, index);
    farm_path(dir, f, "servers/%s", name);
    const char *argv[] = {tool, "--server", dir, "truth", "--log", NULL};
    struct process_call call = {.argv = argv, .timeout_ms = 20000, .output_max_bytes = ANSWER_MAX};
    if (process_run(&call, &result, err) != ERR_NONE)
        return NULL;
    if (result.exit_code != 0) {
        error_set(err, ERR_STATE, "%s truth: exit code %u", tool, result.exit_code);
        free(result.output);
        return NULL;
    }
    return parse(result.output, tool, err);
}

/* --- HAProxy: `show stat` is CSV with a header line (HAProxy management guide, section 9.1) --- */

#define FIELD_BACKEND  0
#define FIELD_SERVER   1
#define FIELD_SESSIONS 4
#define FIELD_STATUS   17
#define FIELDS         18

static bool split_line(char *line, char *fields[FIELDS])
{
    size_t count = 0;
    for (char *at = line; at && count < FIELDS;) {
        fields[count++] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = '\0';
    }
    return count == FIELDS;
}

enum error_code ask_balancer(const struct farm *f,
                             void (*each)(void *arg, const char *backend, const char *server,
                                          const char *status, const char *sessions),
                             void *arg, struct error *err)
{
    char socket_path[108];
    char *fields[FIELDS];
    char *rest = NULL;
    struct error why = {0};
    farm_socket(socket_path, f, "haproxy");
    char *answer = ask_line(socket_path, "show stat", false, &why);
    if (!answer)
        return error_set(err, why.code, "%s", why.text);
    for (char *line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#' || !split_line(line, fields))
            continue;
        if (strcmp(fields[FIELD_SERVER], "FRONTEND") != 0 &&
            strcmp(fields[FIELD_SERVER], "BACKEND") != 0)
            each(arg, fields[FIELD_BACKEND], fields[FIELD_SERVER], fields[FIELD_STATUS],
                 fields[FIELD_SESSIONS]);
    }
    free(answer);
    return ERR_NONE;
}
