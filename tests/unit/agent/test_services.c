/* Which services are stopped, killed and started, and in which order. */
#include "agent/services.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct service_need needs[] = {
    {"W3SVC", "WAS"},           {"W3SVC", "HTTP"},
    {"NetTcpActivator", "was"}, {"Orders", "NetTcpActivator"},
    {"Printing", "Spooler"},
};

#define SERVICES 7
static void fill(struct service services[SERVICES])
{
    static const char *const names[SERVICES] = {"HTTP",   "WAS",      "W3SVC",  "NetTcpActivator",
                                                "Orders", "Printing", "Spooler"};
    for (size_t i = 0; i < SERVICES; i++)
        services[i] = (struct service){names[i], SVC_RUNNING, SVC_START_AUTO, 100};
}

static struct services_graph graph_of(const struct service services[SERVICES])
{
    return (struct services_graph){services, SERVICES, needs, sizeof(needs) / sizeof(needs[0])};
}

static void assert_order(const struct services_order *order, const char *expected)
{
    struct text text = {0};
    for (size_t i = 0; i < order->count; i++)
        text_addf(&text, "%s%s", i ? " " : "", order->names[i]);
    assert_string_equal(text_get(&text), expected);
    text_reset(&text);
}

static void dependents_stop_before_whom_they_depend_on(void **state)
{
    (void)state;
    struct service services[SERVICES];
    fill(services);
    struct services_graph graph = graph_of(services);
    const char *names[] = {"WAS"};
    struct services_order order = services_stop_order(&graph, names, 1);
    assert_order(&order, "W3SVC Orders NetTcpActivator WAS");
}

static void what_is_stopped_is_not_stopped_again(void **state)
{
    (void)state;
    struct service services[SERVICES];
    fill(services);
    services[2].state = SVC_STOPPED;      /* W3SVC */
    services[3].state = SVC_STOP_PENDING; /* NetTcpActivator: not down yet */
    services[4].state = SVC_ABSENT;       /* Orders */
    struct services_graph graph = graph_of(services);
    const char *names[] = {"was", "W3SVC"};
    struct services_order order = services_stop_order(&graph, names, 2);
    assert_order(&order, "NetTcpActivator WAS");
}

static void dependent_behind_a_stopped_one_is_found(void **state)
{
    (void)state;
    struct service services[SERVICES];
    fill(services);
    services[3].state = SVC_STOPPED; /* NetTcpActivator, and Orders runs: a strange world */
    struct services_graph graph = graph_of(services);
    const char *names[] = {"WAS"};
    struct services_order order = services_stop_order(&graph, names, 1);
    assert_order(&order, "W3SVC Orders WAS");
}

static void start_goes_the_other_way(void **state)
{
    (void)state;
    struct service services[SERVICES];
    fill(services);
    struct services_graph graph = graph_of(services);
    const char *ran[] = {"Orders", "W3SVC", "NetTcpActivator", "WAS"};
    struct services_order order = services_start_order(&graph, ran, 4);
    assert_order(&order, "WAS NetTcpActivator W3SVC Orders");
}

static void disabled_absent_and_unknown_are_not_started(void **state)
{
    (void)state;
    struct service services[SERVICES];
    fill(services);
    services[3].start = SVC_START_DISABLED;
    services[4].state = SVC_ABSENT;
    struct services_graph graph = graph_of(services);
    const char *ran[] = {"WAS", "NetTcpActivator", "Orders", "Nobody", "W3SVC", "w3svc"};
    struct services_order order = services_start_order(&graph, ran, 6);
    assert_order(&order, "WAS W3SVC");
}

static void circle_ends_and_loses_nobody(void **state)
{
    (void)state;
    static const struct service_need circle[] = {{"A", "B"}, {"B", "C"}, {"C", "A"}, {"C", "C"}};
    const struct service services[] = {{"A", SVC_RUNNING, SVC_START_AUTO, 1},
                                       {"B", SVC_RUNNING, SVC_START_AUTO, 1},
                                       {"C", SVC_RUNNING, SVC_START_AUTO, 1}};
    struct services_graph graph = {services, 3, circle, 4};
    const char *names[] = {"A"};
    struct services_order order = services_stop_order(&graph, names, 1);
    assert_int_equal(order.count, 3);
    assert_true(services_depends(&graph, "A", "C"));
    assert_false(services_depends(&graph, "A", "A"));
}

static void those_that_depend_on_was_are_expendable(void **state)
{
    (void)state;
    struct service services[SERVICES];
    fill(services);
    struct services_graph graph = graph_of(services);
    assert_true(services_is_expendable(&graph, "was"));
    assert_true(services_is_expendable(&graph, "W3SVC"));
    assert_true(services_is_expendable(&graph, "Orders"));
    assert_false(services_is_expendable(&graph, "HTTP"));
    assert_false(services_is_expendable(&graph, "Spooler"));
}

static void host_with_a_stranger_is_never_ours(void **state)
{
    (void)state;
    char strangers[64];
    struct driver_host host = {.pid = 0};
    assert_int_equal(services_judge_host(&host, NULL, 0), SERVICES_HOST_NONE);
    host = (struct driver_host){.pid = 7,
                                .lodgers = {{"WAS", true}, {"Spooler", false}, {"MSMQ", false}},
                                .lodger_count = 1};
    assert_int_equal(services_judge_host(&host, strangers, sizeof(strangers)), SERVICES_HOST_OURS);
    assert_string_equal(strangers, "");
    host.lodger_count = 3;
    assert_int_equal(services_judge_host(&host, strangers, sizeof(strangers)),
                     SERVICES_HOST_SHARED);
    assert_string_equal(strangers, "Spooler, MSMQ");
    host.lodger_count = 1;
    host.more = true;
    assert_int_equal(services_judge_host(&host, strangers, sizeof(strangers)),
                     SERVICES_HOST_SHARED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dependents_stop_before_whom_they_depend_on),
        cmocka_unit_test(what_is_stopped_is_not_stopped_again),
        cmocka_unit_test(dependent_behind_a_stopped_one_is_found),
        cmocka_unit_test(start_goes_the_other_way),
        cmocka_unit_test(disabled_absent_and_unknown_are_not_started),
        cmocka_unit_test(circle_ends_and_loses_nobody),
        cmocka_unit_test(those_that_depend_on_was_are_expendable),
        cmocka_unit_test(host_with_a_stranger_is_never_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
