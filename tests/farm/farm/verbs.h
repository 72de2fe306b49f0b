/* verbs.h - what `farm` can be told. Each takes the words after the verb and gives an exit code:
 * 0 done, 1 failed, 2 usage, 4 the check it was asked for did not hold. */
#ifndef FARM_FARM_VERBS_H
#define FARM_FARM_VERBS_H

#include "tests/farm/farm/farm.h"

int verb_up(int argc, char **argv);
int verb_down(int argc, char **argv);
int verb_guard(int argc, char **argv);
int verb_fault(int argc, char **argv);
int verb_kill(int argc, char **argv);
int verb_start(int argc, char **argv);
int verb_reboot(int argc, char **argv);
int verb_in(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_visitors(int argc, char **argv);
int verb_report(int argc, char **argv);
int verb_truth(int argc, char **argv);
int verb_counts(int argc, char **argv);

/* Takes "--dir DIR" out of the words, else FARM_DIR, and loads the farm. False: said why. */
bool verb_open(int *argc, char **argv, struct farm *f);
/* Takes "--NAME VALUE" or "--NAME=VALUE" out of the words; NULL if it is not there. */
const char *verb_option(int *argc, char **argv, const char *name);
bool verb_flag(int *argc, char **argv, const char *name); /* takes "--NAME" out */
/* True if a word is left that looks like an option; it is named on stderr. */
bool verb_stray(int argc, char **argv);
int verb_fail(const struct error *err); /* prints it; gives 1 */

/* Everything of this farm is stopped and its ports are given back. */
enum error_code farm_down(const struct farm *f, bool purge, struct error *err);

#endif
