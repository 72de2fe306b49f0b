/* world.c - see world.h. */
#include "tests/fuzz/world.h"

#include "common/log.h"
#include "common/must.h"
#include "tests/unit/coordinator_store/files_memory.h"
#include "tests/unit/link/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is the same in every world: keys take longer to make than all the rest. */
static struct ca *ca;
static char *request_pem;

static void check(enum error_code code, const struct error *err)
{
    if (code)
        fprintf(stderr, "%s\n", err->text);
    must(!code);
}

/* It is formatted all the same. */
static void drop_line(void *arg, enum log_level level, const char *line, size_t len)
{
    (void)arg, (void)level, (void)line, (void)len;
}

static void begin_all(void)
{
    char *key;
    log_set_sink(drop_line, NULL);
    ca = certs_farm();
    certs_request(&key, &request_pem);
    free(key);
}

const char *world_request_pem(void)
{
    return request_pem;
}

const char *world_key_line(void)
{
    static char line[80];
    const char *second = strchr(ca_key_pem(ca), '\n') + 1;
    size_t len = strcspn(second, "\n");
    must(len > 40 && len < sizeof(line));
    memcpy(line, second, len);
    return line;
}

int64_t world_wall_ms(const struct world *w)
{
    return (int64_t)w->farm.now_ms + 1000000; /* as the farm has it */
}

static void on_cut(void *ctx, const char *name)
{
    (void)ctx, (void)name;
}

static void on_joined(void *ctx, const struct member *m)
{
    (void)ctx, (void)m;
}

static void on_event(void *ctx, const struct event *event)
{
    struct world *w = ctx;
    desk_publish(&w->desk, event);
}

static void open_enrol(struct world *w)
{
    struct error err = {0};
    const struct join_right *right = NULL;
    w->members = members_new();
    const struct enrol_spec spec = {.store = w->farm.store,
                                    .ca = ca,
                                    .members = w->members,
                                    .life_ms = 3600000,
                                    .ctx = w,
                                    .event = on_event,
                                    .joined = on_joined,
                                    .cut = on_cut};
    check(enrol_open(&spec, &w->enrol, &err), &err);
    const struct enrol_wish wish = {.names = "web*",
                                    .labels = "farm=web",
                                    .profile = PROFILE_OPERATE,
                                    .uses = 5,
                                    .for_ms = 3600000,
                                    .actor = "anna",
                                    .reason = "new servers"};
    check(enrol_create(w->enrol, &wish, world_wall_ms(w), w->join, &right, &err), &err);
}

static void let_in(struct world *w, const char *name, enum role role, const char *servers,
                   char token[TOKEN_TEXT_MAX])
{
    struct error err = {0};
    const struct operator_right *right = NULL;
    const struct operators_wish wish = {
        .name = name, .role = role, .servers = servers, .actor = "anna", .reason = "new here"};
    check(operators_create(w->operators, &wish, world_wall_ms(w), token, &right, &err), &err);
}

static void open_operators(struct world *w)
{
    struct error err = {0};
    const struct operators_spec spec = {.store = w->farm.store, .ctx = w, .event = on_event};
    check(operators_open(&spec, &w->operators, &err), &err);
    let_in(w, "vera", ROLE_VIEWER, "all", w->viewer);
    let_in(w, "otto", ROLE_OPERATOR, "all", w->operates);
    let_in(w, "bert", ROLE_OPERATOR, WORLD_BOUND, w->bound);
    let_in(w, "adam", ROLE_ADMIN, "all", w->admin);
}

void world_begin(struct world *w)
{
    if (!ca)
        begin_all();
    else
        world_end(w);
    memset(w, 0, sizeof(*w));
    vfs_reset(1);
    farm_begin(&w->farm, WORLD_SERVERS);
    struct archive_spec archive = {.path = files_path(&w->farm.files, "history.db"),
                                   .store = w->farm.store,
                                   .keep_ms = 1000000000,
                                   .now_ms = w->farm.now_ms,
                                   .wall_ms = world_wall_ms(w)};
    w->archive = archive_open(&archive);
    open_enrol(w);
    open_operators(w);
    w->desk = (struct desk){.brain = w->farm.brain,
                            .store = w->farm.store,
                            .archive = w->archive,
                            .enrol = w->enrol,
                            .operators = w->operators,
                            .throttle = &w->throttle,
                            .ca_pem = ca_pem(ca),
                            .join_url = "https://farm.example:7601",
                            .agents_port = 7600,
                            .started_wall_ms = 1};
    world_run(w, 500);
}

void world_end(struct world *w)
{
    if (!w->archive)
        return;
    world_fill_disk(w, false);
    enrol_close(w->enrol);
    members_free(w->members);
    operators_close(w->operators);
    archive_close(w->archive);
    farm_end(&w->farm);
    w->archive = NULL;
}

void world_run(struct world *w, uint64_t ms)
{
    farm_run(&w->farm, ms);
    archive_on_time(w->archive, w->farm.now_ms, world_wall_ms(w));
}

void world_fill_disk(struct world *w, bool full)
{
    w->full = full;
    vfs_set_trouble(FILES_DISK, full ? VFS_FULL : VFS_FINE);
}

uint64_t world_changes(const struct world *w)
{
    struct error err = {0};
    uint64_t rows = 0, events = 0;
    check(store_audit_last(w->farm.store, &rows, &err), &err);
    check(store_last_event(w->farm.store, &events, &err), &err);
    return rows + events;
}
