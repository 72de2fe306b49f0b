/* doctor_server.c - see doctor.h: the server as a whole, and the questions about IIS.
 *
 * Facts, with pool "": settings.missing PATH · elevated yes|no · appcmd.path .version .ms .error ·
 * worker.error · look.error look.trouble look.counts · services.known yes|no · WAS.state .start
 * .failure, W3SVC the same · dependents · barred · reboot.renames yes|no · host.pid .lodgers
 * .strangers .error · events yes|no · figures N · requests.error · warmup.error · config.shared
 * yes|no · coordinator.url .ms .error · data_dir.path .error · certificate.days .late yes|no .error
 * · clock.ahead_s .behind_s .service .source
 */
#include "agent/doctor.h"

#include "common/text.h"

#include <stdio.h>

static const char *fact(const struct doctor_facts *facts, const char *key)
{
    return doctor_fact(facts, "", key);
}

static const char *or_unknown(const char *value)
{
    return value ? value : "unknown";
}

/* ---- the machine ---- */

static void judge_elevation(const struct doctor_facts *f, struct doctor_report *r)
{
    if (doctor_fact_is(f, "", "elevated", "yes"))
        doctor_say(r, DOCTOR_OK, "elevation", "", "", "this process is elevated");
    else if (doctor_fact_is(f, "", "elevated", "no"))
        doctor_say(r, DOCTOR_FAIL, "elevation", "",
                   "run doctor elevated, and the agent as LocalSystem",
                   "this process is not elevated: appcmd and the service manager will refuse it");
    else
        doctor_say(r, DOCTOR_INFO, "elevation", "", "", "elevation means nothing on this system");
}

/* Defaults are judged then. */
static void judge_settings(const struct doctor_facts *f, struct doctor_report *r)
{
    if (fact(f, "settings.missing"))
        doctor_say(
            r, DOCTOR_WARN, "settings", "",
            "\"farmhand-agent install\" makes a first one (--help tells how); then run doctor "
            "again",
            "there is no configuration %s yet: judged with what holds without one",
            fact(f, "settings.missing"));
}

static void judge_data_dir(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *path = or_unknown(fact(f, "data_dir.path"));
    if (fact(f, "data_dir.error"))
        doctor_say(r, DOCTOR_WARN, "data-dir", "",
                   "the agent makes it when it starts; if it did start, mend [agent] data_dir",
                   "the data directory %s is not there: %s", path, fact(f, "data_dir.error"));
    else
        doctor_say(r, DOCTOR_OK, "data-dir", "", "", "the data directory %s is there", path);
}

/* ---- IIS ---- */

static void judge_appcmd(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *path = or_unknown(fact(f, "appcmd.path")), *version = fact(f, "appcmd.version");
    const char *ms = fact(f, "appcmd.ms");
    uint64_t took = 0;
    if (fact(f, "appcmd.error")) {
        doctor_say(r, DOCTOR_FAIL, "appcmd", "",
                   "install IIS with its management tools, or mend [iis] appcmd",
                   "appcmd at %s gave no answer: %s", path, fact(f, "appcmd.error"));
        return;
    }
    bool slow = ms && text_parse_u64(ms, 0, INT64_MAX, &took) && took > 2000;
    doctor_say(r, slow ? DOCTOR_WARN : DOCTOR_OK, "appcmd", "",
               slow ? "look for an antivirus that scans it, or a disk that is full or slow" : "",
               "appcmd %s answered in %s ms%s%s", path, or_unknown(ms), version ? ", version " : "",
               version ? version : "");
}

static void judge_worker(const struct doctor_facts *f, struct doctor_report *r)
{
    if (fact(f, "worker.error"))
        doctor_say(r, DOCTOR_FAIL, "worker", "", "mend [iis] worker: w3wp.exe beside appcmd.exe",
                   "the worker's program cannot be found: %s", fact(f, "worker.error"));
    else
        doctor_say(r, DOCTOR_OK, "worker", "", "", "the worker's program is there");
}

static void judge_look(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *trouble = fact(f, "look.trouble");
    if (fact(f, "look.error"))
        doctor_say(r, DOCTOR_FAIL, "look", "", "see the lines about appcmd and services",
                   "nothing of this server could be read: %s", fact(f, "look.error"));
    else if (trouble && *trouble)
        doctor_say(r, DOCTOR_FAIL, "look", "", "see the lines about appcmd and services",
                   "not everything could be read: %s", trouble);
    else
        doctor_say(r, DOCTOR_OK, "look", "", "", "read: %s", or_unknown(fact(f, "look.counts")));
}

static void judge_config(const struct doctor_facts *f, struct doctor_report *r)
{
    if (doctor_fact_is(f, "", "config.shared", "yes"))
        doctor_say(
            r, DOCTOR_WARN, "configuration", "",
            "plan changes of settings for all of them at once; stop --keep-autostart works",
            "the configuration is shared with other servers: a change here changes them, and "
            "Farmhand refuses to set autoStart");
    else if (fact(f, "config.shared"))
        doctor_say(r, DOCTOR_OK, "configuration", "", "", "the configuration is this server's own");
}

/* ---- services ---- */

static void judge_service(const struct doctor_facts *f, struct doctor_report *r, const char *name)
{
    char key[32];
    text_format(key, sizeof(key), "%s.state", name);
    const char *state = fact(f, key);
    text_format(key, sizeof(key), "%s.start", name);
    const char *start = or_unknown(fact(f, key));
    if (!state)
        return;
    if (text_equal(state, "ABSENT"))
        doctor_say(r, DOCTOR_FAIL, "service", "", "install IIS (Windows feature Web-Server)",
                   "there is no service %s", name);
    else if (text_equal_nocase(start, "disabled"))
        doctor_say(r, DOCTOR_FAIL, "service", "",
                   "Farmhand leaves it so; enable it if that is not on purpose",
                   "service %s is %s and disabled", name, state);
    else if (!text_equal(state, "RUNNING"))
        doctor_say(r, DOCTOR_FAIL, "service", "", "start W3SVC, which starts WAS too",
                   "service %s is %s (start type %s)", name, state, start);
    else
        doctor_say(r, DOCTOR_OK, "service", "", "", "service %s is RUNNING (start type %s)", name,
                   start);
}

static void judge_services(const struct doctor_facts *f, struct doctor_report *r)
{
    if (!doctor_fact_is(f, "", "services.known", "yes")) {
        doctor_say(r, DOCTOR_WARN, "service", "", "set [iis] service_backend",
                   "services are not looked at: a recovery is not possible");
        return;
    }
    judge_service(f, r, "WAS");
    judge_service(f, r, "W3SVC");
    if (fact(f, "dependents"))
        doctor_say(r, DOCTOR_INFO, "dependents", "", "", "stopped and started with WAS: %s",
                   fact(f, "dependents"));
}

/* A restart that waits, a shutdown, a container. */
static void judge_barred(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *barred = fact(f, "barred");
    if (barred && *barred)
        doctor_say(r, DOCTOR_WARN, "reboot", "",
                   "Farmhand recovers no services here until then; pools can be recycled all the "
                   "same",
                   "%s", barred);
    else if (barred)
        doctor_say(r, DOCTOR_OK, "reboot", "", "", "no reboot of the machine is pending");
    if (doctor_fact_is(f, "", "reboot.renames", "yes"))
        doctor_say(r, DOCTOR_INFO, "renames", "", "",
                   "some installer has left files to be replaced at the next restart");
}

static void judge_host(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *strangers = fact(f, "host.strangers");
    if (fact(f, "host.error"))
        doctor_say(r, DOCTOR_WARN, "host", "", "",
                   "who lives in the process of WAS could not be read: %s", fact(f, "host.error"));
    else if (strangers && *strangers)
        doctor_say(r, DOCTOR_WARN, "host", "",
                   "give them a process of their own (sc config NAME type= own) before a recovery "
                   "needs to kill it",
                   "the process %s of WAS also hosts %s: Farmhand will not kill it",
                   or_unknown(fact(f, "host.pid")), strangers);
    else if (fact(f, "host.lodgers"))
        doctor_say(r, DOCTOR_OK, "host", "", "", "process %s hosts %s, and nobody else",
                   or_unknown(fact(f, "host.pid")), fact(f, "host.lodgers"));
}

/* Source: SC_ACTION: a reboot or a program of somebody's may follow when the process is killed. */
static void judge_failure_actions(const struct doctor_facts *f, struct doctor_report *r)
{
    static const char *const names[] = {"WAS.failure", "W3SVC.failure"};
    for (size_t i = 0; i < 2; i++) {
        const char *actions = fact(f, names[i]);
        bool reboots = actions && text_glob_match("*reboot*", actions);
        bool runs = actions && text_glob_match("*run*", actions);
        if (reboots || runs)
            doctor_say(
                r, DOCTOR_WARN, "failure-actions", "",
                "take that action away (services.msc, Recovery), or a kill does more than it "
                "should",
                "when the process of %.*s ends, Windows %s", (int)(i == 0 ? 3 : 5), names[i],
                reboots ? "restarts the computer" : "runs a program");
    }
}

/* ---- figures ---- */

static void judge_events(const struct doctor_facts *f, struct doctor_report *r)
{
    if (doctor_fact_is(f, "", "events", "yes"))
        doctor_say(r, DOCTOR_OK, "events", "", "", "the event log about pools can be read");
    else
        doctor_say(r, DOCTOR_WARN, "events", "", "",
                   "the event log about pools cannot be read: rapid-fail protection and an invalid "
                   "identity cannot be told apart");
}

static void judge_figures(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *figures = fact(f, "figures");
    if (figures && !text_equal(figures, "0"))
        doctor_say(r, DOCTOR_OK, "counters", "", "", "counters of %s pools can be read", figures);
    else
        doctor_say(
            r, DOCTOR_WARN, "counters", "", "rebuild them where they are broken: lodctr /R",
            "the counters of pools cannot be read: waiting and rejected requests are unknown");
}

static void judge_requests(const struct doctor_facts *f, struct doctor_report *r)
{
    if (fact(f, "requests.error"))
        doctor_say(
            r, DOCTOR_WARN, "requests", "",
            "install the feature Web-Request-Monitor; a drain is proved by the balancer until "
            "then",
            "executing requests are not known: %s", fact(f, "requests.error"));
    else if (fact(f, "requests"))
        doctor_say(r, DOCTOR_OK, "requests", "", "", "executing requests can be listed");
}

static void judge_warm_up(const struct doctor_facts *f, struct doctor_report *r)
{
    if (fact(f, "warmup.error"))
        doctor_say(r, DOCTOR_INFO, "warm-up", "",
                   "install the feature Web-AppInit, if recycled pools are to be warm",
                   "the warm-up of applications cannot be read: %s", fact(f, "warmup.error"));
}

/* ---- the coordinator ---- */

static void judge_coordinator(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *url = or_unknown(fact(f, "coordinator.url"));
    if (fact(f, "coordinator.ms"))
        doctor_say(r, DOCTOR_OK, "coordinator", "", "", "the coordinator at %s answered in %s ms",
                   url, fact(f, "coordinator.ms"));
    else
        doctor_say(r, DOCTOR_FAIL, "coordinator", "",
                   "is it running, and does a firewall stand between?",
                   "the coordinator at %s cannot be reached: %s", url,
                   or_unknown(fact(f, "coordinator.error")));
}

static void judge_certificate(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *days = fact(f, "certificate.days"), *url = or_unknown(fact(f, "coordinator.url"));
    if (fact(f, "certificate.error"))
        doctor_say(r, DOCTOR_FAIL, "certificate", "", "let this server join again",
                   "the certificate of this server: %s", fact(f, "certificate.error"));
    else if (days && doctor_fact_is(f, "", "certificate.late", "yes"))
        doctor_say(r, DOCTOR_WARN, "certificate", "",
                   "the agent renews it by itself when it reaches its coordinator: does it run?",
                   "the certificate of this server ends in %s days, and was not renewed in time",
                   days);
    else if (days)
        doctor_say(r, DOCTOR_OK, "certificate", "", "",
                   "the certificate of this server is good for %s days, and renews itself", days);
    else if (text_starts(url, "tcp://") || text_starts(url, "ipc://"))
        doctor_say(r, DOCTOR_INFO, "certificate", "", "",
                   "no certificate is looked at: %s is not encrypted", url);
}

#define SKEW_S 30 /* seconds that nobody notices */

/* Whole seconds, ours before theirs. */
static bool judge_skew(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *text = fact(f, "clock.ahead_s"), *behind = fact(f, "clock.behind_s");
    int64_t ahead = 0;
    if (text && text_parse_i64(text, INT32_MIN, INT32_MAX, &ahead)) {
        bool good = ahead >= -SKEW_S && ahead <= SKEW_S;
        doctor_say(r, good ? DOCTOR_OK : DOCTOR_WARN, "clock", "",
                   good ? "" : "set the clocks: hours in windows and what people read go by them",
                   "this machine's clock is %lld s %s the coordinator's",
                   (long long)(ahead < 0 ? -ahead : ahead), ahead < 0 ? "behind" : "ahead of");
        return true;
    }
    if (behind)
        doctor_say(r, DOCTOR_WARN, "clock", "", "set this clock, and see who keeps it",
                   "this machine's clock is %s s or more behind the coordinator's", behind);
    return behind != NULL;
}

/* How far it is from the coordinator's, where that can be asked, and who keeps it. */
static void judge_clock(const struct doctor_facts *f, struct doctor_report *r)
{
    const char *source = fact(f, "clock.source");
    bool kept = doctor_fact_is(f, "", "clock.service", "running") &&
                !doctor_fact_is(f, "", "clock.source", "NoSync");
    if (!judge_skew(f, r))
        doctor_say(r, DOCTOR_INFO, "clock", "",
                   "it is, once this server has joined; the protocol itself tells no time",
                   "how far this clock is from the coordinator's is not known");
    if (fact(f, "clock.service"))
        doctor_say(r, kept ? DOCTOR_OK : DOCTOR_WARN, "clock-service", "",
                   kept ? "" : "start the Windows Time service, or see what else keeps this clock",
                   "the Windows Time service is %s (%s)", fact(f, "clock.service"),
                   source ? source : "no source known");
}

static void (*const checks[])(const struct doctor_facts *, struct doctor_report *) = {
    judge_settings,    judge_elevation, judge_data_dir,        judge_appcmd,
    judge_worker,      judge_look,      judge_config,          judge_services,
    judge_barred,      judge_host,      judge_failure_actions, judge_events,
    judge_figures,     judge_requests,  judge_warm_up,         judge_coordinator,
    judge_certificate, judge_clock,
};

void doctor_judge_server(const struct doctor_facts *facts, struct doctor_report *out)
{
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        checks[i](facts, out);
}

const struct doctor_question doctor_questions[] = {
    {"Which attributes has a request in appcmd's XML?", "answer.request_attributes",
     "run doctor again while a slow request executes"},
    {"What does appcmd answer to a list that matches nothing?", "answer.no_match",
     "run doctor again where appcmd can be run"},
    {"Does appcmd say 1056 when a started pool is started?", NULL,
     "appcmd start apppool /apppool.name:NAME of a pool that runs, then echo %errorlevel%; doctor "
     "changes nothing"},
    {"Does appcmd recycle a pool without a worker, or say 4312?", NULL,
     "appcmd recycle apppool /apppool.name:NAME of an idle pool, then echo %errorlevel%; doctor "
     "changes nothing"},
    {"Is a list of requests without the Request Monitor empty, or code 50?", "answer.request_list",
     "look on a server without that feature"},
    {"What does a start of W3SVC say while WAS is stopping, 1068?", NULL,
     "sc stop WAS with a busy worker, and sc start W3SVC before it has stopped; doctor changes "
     "nothing"},
    {"Does W3SVC stay in STOP_PENDING until its workers have drained?", NULL,
     "sc stop W3SVC while a slow request executes, then sc query W3SVC; doctor changes nothing"},
    {"Does a second recycle leave alone what the first one replaces?", NULL,
     "appcmd recycle apppool twice within a second, and count the worker processes; doctor "
     "changes nothing"},
    {"Under which names do events about pools arrive?", "answer.events",
     "recycle a pool, then run doctor again"},
    {"Which queues without a pool do the counters list?", "answer.instances",
     "perfmon, counter set HTTP Service Request Queues"},
    {NULL, NULL, NULL},
};
