/* home.c - see home.h: the judging. */
#include "agent/home.h"

#include <stddef.h>

enum home_verdict home_judge(const struct home_facts *facts, const char **why)
{
    *why = NULL;
    if (!facts->exists)
        return HOME_MAKE;
    *why = "it is a link to another place";
    if (facts->link)
        return HOME_REFUSE;
    *why = "it is no directory";
    if (!facts->directory)
        return HOME_REFUSE;
    *why = "it belonged to somebody else";
    if (!facts->owner_trusted)
        return facts->empty ? HOME_REMAKE : HOME_REFUSE;
    *why = "something in it belongs to somebody else, or is a link";
    if (facts->foreign_own)
        return HOME_REFUSE;
    *why = "others could write to it";
    if (facts->others_write)
        return HOME_TIGHTEN;
    *why = "others could read it";
    if (facts->others_read)
        return HOME_TIGHTEN;
    *why = "it took its rights from the directory above";
    if (facts->inherits)
        return HOME_TIGHTEN;
    *why = NULL;
    return HOME_KEEP;
}
