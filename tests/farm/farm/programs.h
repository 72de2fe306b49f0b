/* programs.h - where the built programs lie, seen from this one in the same build directory. */
#ifndef FARM_FARM_PROGRAMS_H
#define FARM_FARM_PROGRAMS_H

#include "common/error.h"

#include <limits.h>

enum program {
    PROGRAM_LAB_SC,
    PROGRAM_VISITORS,
    PROGRAM_FARM,
    PROGRAM_AGENT,
    PROGRAM_COORDINATOR,
    PROGRAM_FARMHAND,
    PROGRAM_HAPROXY,
    PROGRAM_WINE, /* tests/windows/wine of the source tree */
    PROGRAM_WINDOWS_LAB_SC,
    PROGRAM_WINDOWS_AGENT,
};

/* ERR_NOT_FOUND says what to build or install. */
enum error_code programs_find(enum program program, char out[PATH_MAX], struct error *err);

#endif
