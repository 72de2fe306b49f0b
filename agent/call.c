/* call.c - see call.h. */
#include "agent/call.h"

const char *call_name(enum call_kind kind)
{
    switch (kind) {
    case CALL_NONE:
        return "none";
    case CALL_BEAT:
        return "beat";
    case CALL_LOOK:
        return "look";
    case CALL_LOOK_POOL:
        return "look-pool";
    case CALL_RECYCLE:
        return "recycle";
    case CALL_START:
        return "start";
    case CALL_STOP:
        return "stop";
    case CALL_SET_AUTOSTART:
        return "set-autostart";
    case CALL_PROBE:
        return "probe";
    }
    return "?";
}

bool call_acts(enum call_kind kind)
{
    return kind == CALL_RECYCLE || kind == CALL_START || kind == CALL_STOP ||
           kind == CALL_SET_AUTOSTART;
}
