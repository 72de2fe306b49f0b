/* notifier.c - see notifier.h. */
#include "coordinator/notices/notifier.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/mailbox.h"
#include "common/must.h"
#include "common/os.h"
#include "common/process.h"
#include "common/sha256.h"
#include "common/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MAX (64 * 1024) /* bytes of an answer: only its first line is looked at */
#define SECRET_MIN 16
#define SECRET_MAX 4096
#define HEADER_MAX 160
#define SHOWN_MAX  160

struct job {
    uint64_t id;
    char *json;
};

struct notifier {
    const struct notifier_target *target;
    void (*done)(void *arg, const struct notifier_result *result);
    void *arg;
    struct mailbox *jobs;
    int cancel_fd;
    atomic_bool stopping;
    pthread_t thread;
};

static void free_job(void *memory)
{
    struct job *job = memory;
    free(job->json);
    free(job);
}

/* ---- the secret ---- */

enum error_code notifier_read_secret(const char *path, char **out, size_t *len, struct error *err)
{
    struct stat info;
    char *bytes;
    size_t count;
    if (stat(path, &info) == 0 && (info.st_mode & S_IRWXO))
        return error_set(err, ERR_DENIED,
                         "secret file %s can be read by anybody: chmod 0640 or less", path);
    enum error_code code = os_read_file(path, SECRET_MAX, &bytes, &count, err);
    if (code != ERR_NONE)
        return error_wrap(err, "secret file");
    while (count > 0 && isspace((unsigned char)bytes[count - 1]))
        bytes[--count] = '\0';
    if (count < SECRET_MIN) {
        free(bytes);
        return error_set(err, ERR_INVALID, "secret file %s holds %zu bytes: at least %d are wanted",
                         path, count, SECRET_MIN);
    }
    *out = bytes;
    *len = count;
    return ERR_NONE;
}

/* ---- a webhook ---- */

static enum error_code sign(const struct notifier_target *t, const char *at, const char *json,
                            char out[HEADER_MAX], struct error *err)
{
    char *secret, hex[SHA256_HEX];
    size_t len;
    enum error_code code = notifier_read_secret(t->secret_file, &secret, &len, err);
    if (code != ERR_NONE)
        return code;
    struct text signed_text = {0};
    uint8_t digest[SHA256_BYTES];
    text_addf(&signed_text, "%s.%s", at, json);
    hmac_sha256(secret, len, signed_text.data, signed_text.len, digest);
    text_format(out, HEADER_MAX, "X-Farmhand-Signature: sha256=%s", sha256_hex(digest, hex));
    text_reset(&signed_text);
    explicit_bzero(secret, len);
    free(secret);
    return ERR_NONE;
}

static void first_line(const char *text, char out[SHOWN_MAX])
{
    size_t used = 0;
    for (; text && *text && *text != '\n' && used + 1 < SHOWN_MAX; text++)
        out[used++] = isprint((unsigned char)*text) ? *text : '?';
    out[used] = '\0';
}

/* Asked about once a second while a webhook is waited for. */
static bool go_on(void *arg)
{
    struct notifier *n = arg;
    return !atomic_load(&n->stopping);
}

static enum error_code post(struct notifier *n, const struct job *job, struct error *err)
{
    const struct notifier_target *t = n->target;
    char id[HEADER_MAX], at[HEADER_MAX], seconds[32], signature[HEADER_MAX];
    const char *headers[5] = {"Content-Type: application/json", id, at, NULL, NULL};
    text_format(seconds, sizeof(seconds), "%" PRId64, clock_wall_ms() / 1000);
    text_format(id, sizeof(id), "X-Farmhand-Notice: %" PRIu64, job->id);
    text_format(at, sizeof(at), "X-Farmhand-Time: %s", seconds);
    if (t->secret_file) {
        enum error_code code = sign(t, seconds, job->json, signature, err);
        if (code != ERR_NONE)
            return code;
        headers[3] = signature;
    }
    struct http_call call = {.method = "POST",
                             .url = t->url,
                             .headers = headers,
                             .body = job->json,
                             .body_len = strlen(job->json),
                             .timeout_ms = t->timeout_ms,
                             .response_max_bytes = ANSWER_MAX,
                             .on_data_arg = n,
                             .go_on = go_on};
    struct http_reply reply;
    enum error_code code = http_request(&call, &reply, err);
    if (code != ERR_NONE)
        return code;
    if (reply.status < 200 || reply.status > 299) {
        char line[SHOWN_MAX];
        first_line(reply.body, line);
        code = error_set(err, ERR_IO, "answered %d%s%s", reply.status, line[0] ? ": " : "", line);
    }
    free(reply.body);
    return code;
}

/* ---- a command ---- */

static enum error_code run(const struct notifier *n, const struct job *job, struct error *err)
{
    struct process_call call = {.argv = n->target->argv,
                                .timeout_ms = n->target->timeout_ms,
                                .output_max_bytes = ANSWER_MAX,
                                .input = job->json,
                                .input_len = strlen(job->json),
                                .cancel_fd = n->cancel_fd};
    struct process_result result;
    enum error_code code = process_run(&call, &result, err);
    if (code != ERR_NONE)
        return code;
    if (result.exit_code != 0) {
        char line[SHOWN_MAX];
        first_line(result.output, line);
        code =
            error_set(err, ERR_IO, "%s %u%s%s", result.signalled ? "ended by signal" : "exit code",
                      result.signalled ? result.exit_code - 128 : result.exit_code,
                      line[0] ? ": " : "", line);
    }
    free(result.output);
    return code;
}

/* ---- the thread ---- */

static void deliver(struct notifier *n, const struct job *job)
{
    struct error err = {0};
    struct notifier_result result = {.id = job->id};
    result.code = n->target->url ? post(n, job, &err) : run(n, job, &err);
    if (result.code != ERR_NONE)
        text_copy(result.text, sizeof(result.text), err.text);
    n->done(n->arg, &result);
}

static void *notifier_run(void *arg)
{
    struct notifier *n = arg;
    while (!atomic_load(&n->stopping)) {
        struct job *job = mailbox_take(n->jobs, UINT64_MAX);
        if (job && !atomic_load(&n->stopping))
            deliver(n, job);
        if (job)
            free_job(job);
    }
    return NULL;
}

enum error_code notifier_open(const struct notifier_target *target,
                              void (*done)(void *arg, const struct notifier_result *result),
                              void *arg, struct notifier **out, struct error *err)
{
    struct notifier *n = must_alloc(1, sizeof(*n));
    n->target = target;
    n->done = done;
    n->arg = arg;
    n->jobs = mailbox_open(4, free_job);
    n->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = n->cancel_fd < 0 ? errno : pthread_create(&n->thread, NULL, notifier_run, n);
    if (!failed) {
        *out = n;
        return ERR_NONE;
    }
    mailbox_close(n->jobs);
    if (n->cancel_fd >= 0)
        close(n->cancel_fd);
    free(n);
    return error_errno(err, failed, "starting the thread of notice %s", target->name);
}

void notifier_close(struct notifier *n)
{
    if (!n)
        return;
    uint64_t one = 1;
    atomic_store(&n->stopping, true);
    must(write(n->cancel_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    mailbox_wake(n->jobs);
    pthread_join(n->thread, NULL);
    mailbox_close(n->jobs);
    close(n->cancel_fd);
    free(n);
}

void notifier_give(struct notifier *n, uint64_t id, const char *json)
{
    struct job *job = must_alloc(1, sizeof(*job));
    *job = (struct job){.id = id, .json = must_copy(json)};
    must(mailbox_post(n->jobs, job)); /* one at a time */
}
