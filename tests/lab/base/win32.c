#include "tests/lab/base/win32.h"

#include <stddef.h>

static const struct {
    unsigned code;
    const char *text;
} TEXTS[] = {
    {5, "Access is denied."},
    {13, "The data is invalid."},
    {32, "The process cannot access the file because it is being used by another process."},
    {50, "The request is not supported."},
    {87, "The parameter is incorrect."},
    {258, "The wait operation timed out."},
    {1051, "A stop control has been sent to a service that other running services are dependent "
           "on."},
    {1052, "The requested control is not valid for this service."},
    {1053, "The service did not respond to the start or control request in a timely fashion."},
    {1055, "The service database is locked."},
    {1056, "An instance of the service is already running."},
    {1058, "The service cannot be started, either because it is disabled or because it has no "
           "enabled devices associated with it."},
    {1060, "The specified service does not exist as an installed service."},
    {1061, "The service cannot accept control messages at this time."},
    {1062, "The service has not been started."},
    {1066, "The service has returned a service-specific error code."},
    {1067, "The process terminated unexpectedly."},
    {1068, "The dependency service or group failed to start."},
    {1069, "The service did not start due to a logon failure."},
    {1072, "The specified service has been marked for deletion."},
    {1115, "A system shutdown is in progress."},
    {1168, "Element not found."},
    {1722, "The RPC server is unavailable."},
    {1726, "The remote procedure call failed."},
    {4312, "The object identifier does not represent a valid object."},
};

const char *win32_text(unsigned code)
{
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        if (TEXTS[i].code == code)
            return TEXTS[i].text;
    }
    return "Unknown error.";
}
