/* shell.c - see shell.h. */
#include "coordinator/shell.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/must.h"
#include "common/os.h"
#include "common/service.h"
#include "common/text.h"
#include "coordinator/descriptors.h"
#include "coordinator/desk/desk.h"
#include "coordinator/entrance.h"
#include "coordinator/letters.h"
#include "coordinator/reload.h"
#include "coordinator/store/archive.h"
#include "coordinator/store/audit_line.h"
#include "proto/url.h"

#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define PATH_BYTES_MAX 512
#define TURN_MS        1000 /* the brain wants to be asked at least this often */

struct shell {
    const struct settings *settings;
    char own_server[WIRE_NAME_MAX];
    struct balancer_place *places; /* map of the balancer, lent from settings */
    struct balancer_backend *backends;
    size_t backend_count;
    struct budget_rule *budgets;
    struct letters letters;
    struct store *store;
    struct archive *archive;
    struct coordinator *brain;
    struct reload rules;
    struct balancer *balancer; /* NULL: none is configured */
    struct notices *notices;
    struct notices_target *notice_targets; /* lent from settings */
    char host[WIRE_NAME_MAX];              /* how we call ourselves to others */
    struct entrance *entrance;             /* NULL: without TLS */
    struct throttle throttle;
    char join_url[320];
    struct link *link;
    struct api *api;
    struct desk desk;
    uint64_t now_ms; /* of the letter in hand */
    int64_t wall_ms;
    uint64_t brain_due_ms;
    uint64_t lost_told;
    atomic_bool woken; /* shell_wake is done: it is called once, right after service_stopping() */
};

/* ---- ports: what the brain asks of the outside ---- */

static void port_reply(void *ctx, const struct coordinator_peer *to,
                       const struct coordinator_message *message)
{
    struct shell *s = ctx;
    struct link_peer peer = {.pipe = to->pipe, .len = to->len};
    struct error err = {0};
    memcpy(peer.bytes, to->bytes, sizeof(peer.bytes));
    if (link_reply(s->link, &peer, message, &err))
        log_warn("reply_not_sent", LOG_UINT("pipe", to->pipe), LOG_TEXT("error", err.text));
}

static void port_close_pipe(void *ctx, uint32_t pipe)
{
    link_close_pipe(((struct shell *)ctx)->link, pipe);
}

static bool port_balancer(void *ctx, const struct balancer_request *request)
{
    return balancer_ask(((struct shell *)ctx)->balancer, request);
}

static size_t port_map(void *ctx, const char *server, const char *pool, struct balancer_entry *out,
                       size_t max)
{
    const struct shell *s = ctx;
    return balancer_map(s->backends, s->backend_count, server, pool, out, max);
}

static bool port_keepalive(void *ctx, const char *balancer, uint64_t *check_ms)
{
    const struct shell *s = ctx;
    for (size_t i = 0; i < s->settings->balancer_count; i++) {
        const struct settings_balancer *b = &s->settings->balancers[i];
        if (text_equal(b->kind, "keepalive") && text_equal(b->name, balancer)) {
            *check_ms = b->check_ms;
            return true;
        }
    }
    return false;
}

/* By the system's own lists of users and groups, which may lie on a network: once per approval. */
static bool port_in_group(void *ctx, const char *user, const char *group)
{
    (void)ctx;
    const struct passwd *who = getpwnam(user);
    const struct group *what = getgrnam(group);
    gid_t own = who ? who->pw_gid : 0, groups[256];
    int count = sizeof(groups) / sizeof(groups[0]);
    if (!who || !what || getgrouplist(user, own, groups, &count) < 0)
        return false;
    for (int i = 0; i < count; i++)
        if (groups[i] == what->gr_gid)
            return true;
    return false;
}

static void port_random_id(void *ctx, struct wire_id *out)
{
    (void)ctx;
    must(os_random(out->bytes, sizeof(out->bytes), NULL) == ERR_NONE);
}

static void port_event(void *ctx, const struct event *event)
{
    struct shell *s = ctx;
    if (event->seq != 0)
        archive_note_event(s->archive, s->now_ms);
    notices_note_event(s->notices);
    desk_publish(&s->desk, event);
}

static uint32_t started_pools(const struct state *whole)
{
    uint32_t started = 0;
    for (size_t i = 0; whole && i < whole->pool_count; i++)
        started += whole->pools[i].state == POOL_STATE_STARTED;
    return started;
}

static void port_seen(void *ctx, const struct fleet_server *server, int64_t wall_ms)
{
    struct shell *s = ctx;
    const struct state *latest = fleet_latest(server);
    if (!latest)
        return;
    struct history_sample sample = {
        .wall_ms = wall_ms,
        .server = server->name,
        .cpu_permille = latest->host.cpu_permille,
        .memory_available_bytes = latest->host.memory_available_bytes,
        .pools_started = started_pools(fleet_whole(server)),
        .workers = (uint32_t)latest->worker_count,
    };
    archive_note_sample(s->archive, &sample, s->now_ms);
}

/* ---- opening ---- */

static void read_clocks(struct shell *s)
{
    s->now_ms = clock_boot_ms();
    s->wall_ms = clock_wall_ms();
}

static enum error_code open_data_dir(struct shell *s, struct error *err)
{
    char path[PATH_BYTES_MAX];
    const char *dir = s->settings->data_dir;
    enum error_code code = os_make_dir(dir, 0750, err);
    if (code)
        return code;
    if (!text_format(path, sizeof(path), "%s/coordinator.lock", dir))
        return error_set(err, ERR_INVALID, "data_dir: the path is too long");
    code = os_lock_file(path, err);
    if (code == ERR_EXISTS)
        error_wrap(err, "another coordinator runs on %s: stop that one, or name another data_dir",
                   dir);
    return code;
}

/* For those who keep logs elsewhere; its hash is what proves later that nothing was made anew. */
static void on_audit(void *arg, const struct audit_row *row)
{
    struct text line = {0};
    (void)arg;
    audit_line(&line, row);
    syslog(LOG_AUTHPRIV | LOG_NOTICE, "%s", text_get(&line));
    text_reset(&line);
}

static enum error_code open_stores(struct shell *s, struct fence *fence, struct error *err)
{
    char path[PATH_BYTES_MAX];
    struct store_spec spec = {.path = path, .wall_ms = s->wall_ms};
    port_random_id(s, &spec.instance);
    text_format(path, sizeof(path), "%s/state.db", s->settings->data_dir);
    enum error_code code = store_open(&spec, &s->store, fence, err);
    if (code)
        return code;
    if (s->settings->audit_syslog)
        store_on_audit(s->store, on_audit, s);
    text_format(path, sizeof(path), "%s/history.db", s->settings->data_dir);
    struct archive_spec archive = {.path = path,
                                   .store = s->store,
                                   .keep_ms = s->settings->keep_history_ms,
                                   .now_ms = s->now_ms,
                                   .wall_ms = s->wall_ms};
    s->archive = archive_open(&archive);
    return ERR_NONE;
}

/* The server of the farm that we run on, if its agent is called as the machine is. */
static void find_own_server(struct shell *s)
{
    if (s->settings->own_server)
        text_copy(s->own_server, sizeof(s->own_server), s->settings->own_server);
    else if (os_hostname(s->own_server, sizeof(s->own_server), NULL) != ERR_NONE)
        s->own_server[0] = '\0';
}

static enum error_code open_brain(struct shell *s, struct fence fence, struct error *err)
{
    const struct settings *set = s->settings;
    bool balanced = s->backend_count > 0;
    find_own_server(s);
    struct coordinator_spec spec = {
        .store = s->store,
        .fence = fence,
        .ports = {.ctx = s,
                  .reply = port_reply,
                  .close_pipe = port_close_pipe,
                  .balancer = balanced ? port_balancer : NULL,
                  .map = balanced ? port_map : NULL,
                  .keepalive = balanced ? port_keepalive : NULL,
                  .in_group = port_in_group,
                  .random_id = port_random_id,
                  .event = port_event,
                  .seen = port_seen},
        .silent_after_ms = set->silent_after_ms,
        .settle_ms = set->settle_ms,
        .hold_max_ms = set->max_hold_ms,
        .budget = settings_budget(set),
        .groups = s->budgets,
        .group_count = set->budget_count,
        .defaults = settings_options(set),
        .windows = &set->hours,
        .own_server = s->own_server[0] ? s->own_server : NULL,
        .rules = set->remediation.rules,
        .rule_count = set->remediation.count,
        .guards = set->remediation.guards,
        .now_ms = s->now_ms,
        .wall_ms = s->wall_ms,
    };
    enum error_code code = coordinator_open(&spec, &s->brain, err);
    for (size_t i = 0; !code && i < set->server_count; i++)
        coordinator_declare_server(s->brain, set->servers[i].name, set->servers[i].labels,
                                   set->servers[i].label_count);
    s->rules =
        (struct reload){.path = set->remediation_file, .windows = &set->hours, .brain = s->brain};
    return code;
}

static enum error_code open_balancer(struct shell *s, struct error *err)
{
    const struct settings *set = s->settings;
    if (s->backend_count == 0)
        return ERR_NONE;
    return balancer_open(s->places, set->balancer_count, s->backends, s->backend_count,
                         letters_on_balancer, &s->letters, &s->balancer, err);
}

static enum error_code open_notices(struct shell *s, struct error *err)
{
    const struct settings *set = s->settings;
    if (set->notice_count == 0)
        return ERR_NONE;
    http_start();
    if (os_hostname(s->host, sizeof(s->host), NULL) != ERR_NONE)
        text_copy(s->host, sizeof(s->host), "coordinator");
    const struct notices_spec spec = {.targets = s->notice_targets,
                                      .count = set->notice_count,
                                      .store = s->store,
                                      .brain = s->brain,
                                      .coordinator = s->host,
                                      .done = letters_on_notice,
                                      .arg = &s->letters,
                                      .now_ms = s->now_ms,
                                      .wall_ms = s->wall_ms};
    return notices_open(&spec, &s->notices, err);
}

/* Where agents are told to come. */
static void open_joining(struct shell *s)
{
    const char *colon = strrchr(link_url(s->link), ':');
    uint64_t port = 0;
    char host[WIRE_NAME_MAX] = "localhost";
    os_hostname(host, sizeof(host), NULL);
    if (api_port(s->api))
        text_format(s->join_url, sizeof(s->join_url), "https://%s:%u",
                    s->settings->address ? s->settings->address : host, api_port(s->api));
    if (colon && text_parse_u64(colon + 1, 1, 65535, &port))
        s->desk.agents_port = (uint16_t)port;
    s->desk.enrol = entrance_enrol(s->entrance);
    s->desk.operators = entrance_operators(s->entrance);
    s->desk.ca_pem = ca_pem(entrance_ca(s->entrance));
    s->desk.throttle = &s->throttle;
    s->desk.join_url = s->join_url;
}

static enum error_code open_api(struct shell *s, struct error *err)
{
    struct api_far far = {.listen = s->settings->https};
    struct api_spec spec = {.socket = s->settings->socket,
                            .deliver = letters_on_request,
                            .arg = &s->letters,
                            .of_one_address_max = (uint32_t)s->settings->https_of_one};
    if (s->entrance && !text_equal(far.listen, "none")) {
        far.chain_pem = ca_chain_pem(entrance_ca(s->entrance));
        far.key_pem = ca_key_pem(entrance_ca(s->entrance));
        far.ca_pem = ca_pem(entrance_ca(s->entrance));
        spec.far = &far;
    }
    s->desk = (struct desk){.brain = s->brain,
                            .store = s->store,
                            .archive = s->archive,
                            .notices = s->notices,
                            .started_wall_ms = s->wall_ms,
                            .map = s->backend_count > 0 ? port_map : NULL,
                            .map_ctx = s};
    enum error_code code = api_open(&spec, &s->api, err);
    s->desk.api = s->api;
    if (!code && s->entrance)
        open_joining(s);
    return code;
}

/* That server's connections, all of them. */
static void port_cut(void *ctx, const char *name)
{
    struct shell *s = ctx;
    if (s->link)
        link_close_named(s->link, name);
}

static enum error_code open_entrance(struct shell *s, struct error *err)
{
    const struct entrance_spec spec = {.settings = s->settings,
                                       .store = s->store,
                                       .brain = s->brain,
                                       .event = port_event,
                                       .cut = port_cut,
                                       .ctx = s,
                                       .wall_ms = s->wall_ms};
    if (!wire_url_has_tls(s->settings->listen))
        return ERR_NONE;
    return entrance_open(&spec, &s->entrance, err);
}

static enum error_code open_link(struct shell *s, struct error *err)
{
    struct link_tls tls;
    struct link_spec spec = {
        .url = s->settings->listen, .on_event = letters_on_link, .arg = &s->letters};
    if (s->entrance) {
        tls = entrance_tls(s->entrance);
        tls.handshakes = (uint32_t)s->settings->handshakes;
        tls.of_one_address = (uint32_t)s->settings->handshakes_of_one;
        spec.tls = &tls;
    }
    return link_open(&spec, &s->link, err);
}

/* Servers that the store or the configuration knows of: more may come. */
static void check_descriptors(const struct shell *s)
{
    uint64_t limit = descriptors_raise();
    size_t servers = fleet_count(coordinator_fleet(s->brain));
    uint64_t needed = descriptors_needed(servers);
    if (limit < needed)
        log_warn("few_descriptors", LOG_UINT("limit", limit), LOG_UINT("needed", needed),
                 LOG_UINT("servers", servers),
                 LOG_TEXT("why", "with so few, servers will not be let in: raise the hard limit "
                                 "(LimitNOFILE= of the unit, or ulimit -Hn), and start again"));
}

enum error_code shell_open(const struct settings *settings, struct shell **out, struct error *err)
{
    struct fence fence;
    struct shell *s = must_alloc(1, sizeof(*s));
    s->settings = settings;
    s->places = settings_places(settings);
    s->backends = settings_backends(settings, &s->backend_count);
    s->budgets = settings_budgets(settings);
    s->notice_targets = settings_notices(settings);
    letters_open(&s->letters);
    read_clocks(s);
    /* Told to stop: the mailbox is there already. Before any other thread starts. */
    enum error_code code = service_start(shell_wake, s, err);
    code = code ? code : open_data_dir(s, err);
    code = code ? code : open_stores(s, &fence, err);
    code = code ? code : open_brain(s, fence, err);
    code = code ? code : open_entrance(s, err);
    if (!code)
        check_descriptors(s);
    code = code ? code : open_notices(s, err);
    code = code ? code : open_balancer(s, err);
    code = code ? code : open_link(s, err);
    code = code ? code : open_api(s, err);
    if (code) {
        shell_close(s);
        return code;
    }
    log_info("coordinator_started", LOG_TEXT("version", FARMHAND_VERSION),
             LOG_TEXT("listen", link_url(s->link)), LOG_TEXT("socket", settings->socket),
             LOG_UINT("https_port", api_port(s->api)), LOG_TEXT("data_dir", settings->data_dir),
             LOG_UINT("fence", fence.number));
    *out = s;
    return ERR_NONE;
}

/* ---- the loop ---- */

void shell_wake(void *shell)
{
    struct shell *s = shell;
    mailbox_wake(s->letters.box);
    atomic_store(&s->woken, true); /* from here on that thread looks at nothing of ours */
}

struct renewal {
    struct shell *shell;
    const struct coordinator_peer *peer;
};

static void reply_renew(void *arg, const struct coordinator_message *answer)
{
    const struct renewal *r = arg;
    port_reply(r->shell, r->peer, answer);
}

/* What a server said before it was removed may still lie here: it would be listed again. */
static bool is_of_a_member(const struct shell *s, const struct agent_message *message)
{
    return !s->entrance || entrance_has(s->entrance, message->agent);
}

static void take_letter(struct shell *s, struct letter *l)
{
    switch (l->kind) {
    case LETTER_AGENT:
        if (!is_of_a_member(s, l->message))
            break;
        if (l->message->kind == AGENT_RENEW && s->entrance) {
            entrance_renew(s->entrance, l->message, s->wall_ms, reply_renew,
                           &(struct renewal){s, &l->peer});
            break;
        }
        coordinator_on_agent(s->brain, l->message, &l->peer, l->address, s->now_ms, s->wall_ms);
        l->message = NULL; /* the brain's now */
        break;
    case LETTER_GONE:
        coordinator_on_pipe_gone(s->brain, l->peer.pipe, s->now_ms, s->wall_ms);
        break;
    case LETTER_BALANCER:
        coordinator_on_balancer(s->brain, l->answer, s->now_ms, s->wall_ms);
        break;
    case LETTER_NOTICE:
        notices_done(s->notices, l->notice_target, l->notice, s->now_ms, s->wall_ms);
        break;
    case LETTER_REQUEST:
        desk_take(&s->desk, l->request, s->now_ms, s->wall_ms);
        l->request = NULL; /* answered */
        break;
    }
    letter_free(l);
}

static void tell_lost(struct shell *s)
{
    uint64_t lost = atomic_load(&s->letters.lost);
    if (lost == s->lost_told)
        return;
    log_warn("messages_dropped", LOG_UINT("count", lost - s->lost_told),
             LOG_TEXT("why", "more came than could be handled; agents repeat what matters"));
    s->lost_told = lost;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The coordinator's own certificate, for both fronts; nobody is cut. */
static void renew_own(struct shell *s)
{
    struct error err = {0};
    if (!s->entrance || !entrance_on_time(s->entrance, s->wall_ms))
        return;
    const struct link_tls own = entrance_tls(s->entrance);
    enum error_code code = link_renew(s->link, &own, &err);
    code = code ? code : api_renew(s->api, own.chain_pem, own.key_pem, &err);
    if (code)
        log_error("own_certificate_not_shown", LOG_TEXT("error", err.text));
}

/* What is due by time. Busy or not, the brain gets its turn. */
static void on_time(struct shell *s)
{
    if (s->now_ms >= s->brain_due_ms) {
        coordinator_on_time(s->brain, s->now_ms, s->wall_ms);
        s->brain_due_ms = s->now_ms + TURN_MS;
        link_sweep(s->link);
        renew_own(s);
        tell_lost(s);
    }
    s->brain_due_ms = earlier(s->brain_due_ms, coordinator_wake_ms(s->brain, s->now_ms));
    notices_on_time(s->notices, s->now_ms, s->wall_ms);
    archive_on_time(s->archive, s->now_ms, s->wall_ms);
    api_on_time(s->api, s->now_ms);
}

static uint64_t next_deadline(struct shell *s)
{
    uint64_t soonest = earlier(s->brain_due_ms, notices_wake_ms(s->notices, s->now_ms));
    return earlier(soonest, earlier(archive_wake_ms(s->archive), api_wake_ms(s->api)));
}

void shell_run(struct shell *s)
{
    while (!service_stopping()) {
        struct letter *l = mailbox_take(s->letters.box, next_deadline(s));
        read_clocks(s);
        if (l)
            take_letter(s, l);
        if (reload_asked())
            reload_rules(&s->rules, s->now_ms, s->wall_ms);
        on_time(s);
    }
    log_info("coordinator_stops", LOG_UINT("open_runs", coordinator_run_count(s->brain)));
}

/* Threads first, then what they posted, then the brain and its stores. */
void shell_close(struct shell *s)
{
    if (!s)
        return;
    s->desk.api = NULL;
    api_close(s->api);
    if (s->link)
        link_close(s->link);
    balancer_close(s->balancer);
    notices_close(s->notices);
    while (service_stopping() && !atomic_load(&s->woken))
        sched_yield();
    mailbox_close(s->letters.box);
    coordinator_close(s->brain);
    reload_release(&s->rules);
    archive_close(s->archive);
    store_close(s->store);
    entrance_close(s->entrance);
    free(s->places);
    free(s->backends);
    free(s->budgets);
    free(s->notice_targets);
    free(s);
}
