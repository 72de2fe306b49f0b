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
    case CALL_REQUESTS:
        return "requests";
    case CALL_OFFLINE:
        return "offline";
    case CALL_SERVICES:
        return "services";
    case CALL_SERVICE_START:
        return "service-start";
    case CALL_SERVICE_STOP:
        return "service-stop";
    case CALL_SERVICE_WAIT:
        return "service-wait";
    case CALL_SERVICE_HOST:
        return "service-host";
    case CALL_SERVICE_KILL_HOST:
        return "kill-host";
    case CALL_SERVICE_SET_START:
        return "service-set-start";
    case CALL_VERDICT:
        return "verdict";
    case CALL_WORKER_KILL:
        return "worker-kill";
    case CALL_GUARD:
        return "guard";
    case CALL_GUARD_END:
        return "guard-end";
    case CALL_DUMP:
        return "dump";
    case CALL_PIECE:
        return "piece";
    case CALL_SETTINGS:
        return "settings";
    case CALL_CONFIGURE:
        return "configure";
    }
    return "?";
}

bool call_acts(enum call_kind kind)
{
    switch (kind) {
    case CALL_RECYCLE:
    case CALL_START:
    case CALL_STOP:
    case CALL_SET_AUTOSTART:
    case CALL_SERVICE_START:
    case CALL_SERVICE_STOP:
    case CALL_SERVICE_KILL_HOST:
    case CALL_SERVICE_SET_START:
    case CALL_WORKER_KILL:
    case CALL_GUARD:
    case CALL_GUARD_END:
    case CALL_CONFIGURE:
        return true;
    case CALL_NONE:
    case CALL_BEAT:
    case CALL_LOOK:
    case CALL_LOOK_POOL:
    case CALL_PROBE:
    case CALL_REQUESTS:
    case CALL_OFFLINE:
    case CALL_DUMP:
    case CALL_PIECE:
    case CALL_SERVICES:
    case CALL_SERVICE_WAIT:
    case CALL_SERVICE_HOST:
    case CALL_VERDICT:
    case CALL_SETTINGS:
        break;
    }
    return false;
}
