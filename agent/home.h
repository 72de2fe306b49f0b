/* home.h - where the agent keeps its things on this system, and that nobody else can write there.
 *
 * Linux: /etc/farmhand/agent.conf and /var/lib/farmhand-agent, made by packages and systemd.
 * Windows: all below %ProgramData%\Farmhand, where every user may make directories: whoever makes
 * that one first would own what LocalSystem reads from it. So its owner and rights are judged
 * before anything in it is believed.
 */
#ifndef FARMHAND_AGENT_HOME_H
#define FARMHAND_AGENT_HOME_H

#include "common/error.h"

#include <stdbool.h>

/* Absolute; lent for the life of the process. */
const char *home_config(void); /* the configuration file */
const char *home_data(void);   /* the journal's directory */
const char *home_logs(void);   /* "": the system keeps the log */

/* ---- judging a directory that is there already; pure ---- */

struct home_facts {
    bool exists;
    bool directory;
    bool link;          /* a junction or symbolic link: leads to a place of its maker's choice */
    bool owner_trusted; /* SYSTEM, Administrators, TrustedInstaller, or who installs */
    bool others_write;  /* somebody else is allowed to write, or to change the rights */
    bool others_read;
    bool inherits;    /* rights may come from above */
    bool empty;       /* nothing in it */
    bool foreign_own; /* something in it belongs to somebody else, or is a link */
};

enum home_verdict {
    HOME_MAKE,    /* not there: make it with its rights at once */
    HOME_KEEP,    /* as it should be */
    HOME_TIGHTEN, /* ours, too open: set its rights */
    HOME_REMAKE,  /* somebody else's and empty: take it away, make it anew (rights that are merely
                     changed would leave open handles of its maker) */
    HOME_REFUSE,  /* somebody else's, with something in it */
};

/* *why: what was found, for the log and for the one who installs; NULL for MAKE and KEEP. */
enum home_verdict home_judge(const struct home_facts *facts, const char **why);

#endif
