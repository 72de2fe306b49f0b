/* conf.h - any bytes as a configuration: taken, or told with a line. One fuzzer per program's own. */
#ifndef FARMHAND_FUZZ_CONF_H
#define FARMHAND_FUZZ_CONF_H

#include "common/error.h"

/* The program's parser, which calls told(arg, line) per mistake; what it took is released again. */
enum error_code conf_parse(const char *text, void (*told)(void *arg, const char *line), void *arg,
                           struct error *err);

#endif
