/* events.c - see events.h. */
#include "proto/events.h"

#include <stddef.h>

static const struct {
    uint32_t id;
    enum event_kind kind;
    const char *words;
} table[] = {
    {1004, EVENT_LISTENER, "a site cannot listen on its address"},
    {1007, EVENT_LISTENER, "a site cannot listen on its address"},
    {2280, EVENT_CONFIG, "a module could not be loaded into the worker"},
    {2297, EVENT_CONFIG, "the worker found its configuration invalid"},
    {5002, EVENT_RAPID_FAIL, "rapid-fail protection disabled the pool"},
    {5009, EVENT_CRASH, "a worker ended unexpectedly"},
    {5010, EVENT_HANG, "a worker did not answer a ping"},
    {5011, EVENT_CRASH, "the talk with a worker broke"},
    {5012, EVENT_START_LIMIT, "a worker was not ready within its start-up limit"},
    {5013, EVENT_STOP_LIMIT, "a worker did not end within its shutdown limit"},
    {5021, EVENT_IDENTITY, "the identity of the pool is invalid"},
    {5057, EVENT_IDENTITY, "the identity of the pool is invalid, its user cannot log on"},
    {5059, EVENT_CANNOT_START, "the pool was disabled: its worker cannot start"},
    {5074, EVENT_RECYCLED, "recycled: its time was up"},
    {5075, EVENT_RECYCLED, "recycled: its number of requests was reached"},
    {5076, EVENT_RECYCLED, "recycled: by its schedule"},
    {5077, EVENT_RECYCLED, "recycled: virtual memory limit"},
    {5078, EVENT_RECYCLED, "recycled: an ISAPI extension reported itself unhealthy"},
    {5079, EVENT_RECYCLED, "recycled: by an administrator"},
    {5080, EVENT_RECYCLED, "recycled: its configuration changed"},
    {5117, EVENT_RECYCLED, "recycled: private memory limit"},
    {5138, EVENT_LISTENER, "a worker has trouble with its listener channel"},
    {5139, EVENT_LISTENER, "a worker has trouble with its listener channel"},
    {5172, EVENT_CONFIG, "the configuration cannot be read"},
    {5186, EVENT_IDLE, "a worker ended since it was idle"},
    {5189, EVENT_CONFIG, "the configuration of a pool could not be generated"},
};

static const char *const names[] = {
    [EVENT_OTHER] = "other",
    [EVENT_RAPID_FAIL] = "rapid-fail",
    [EVENT_IDENTITY] = "identity",
    [EVENT_CANNOT_START] = "cannot-start",
    [EVENT_CRASH] = "crash",
    [EVENT_HANG] = "hang",
    [EVENT_START_LIMIT] = "start-limit",
    [EVENT_STOP_LIMIT] = "stop-limit",
    [EVENT_RECYCLED] = "recycled",
    [EVENT_IDLE] = "idle",
    [EVENT_CONFIG] = "config",
    [EVENT_LISTENER] = "listener",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == EVENT_KIND_COUNT, "a name for each kind");

enum event_kind event_kind_of(uint32_t id)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].id == id)
            return table[i].kind;
    return EVENT_OTHER;
}

const char *event_words(uint32_t id)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].id == id)
            return table[i].words;
    return "";
}

const char *event_kind_name(enum event_kind kind)
{
    return (unsigned)kind < EVENT_KIND_COUNT ? names[kind] : "?";
}
