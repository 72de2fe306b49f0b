/* format.h - tells the compiler that a function takes a format, so that it checks the arguments. */
#ifndef FARMHAND_COMMON_FORMAT_H
#define FARMHAND_COMMON_FORMAT_H

/* mingw takes "printf" for the formats of Microsoft's library; ours are C's on every system. */
#ifdef __MINGW32__
#define FORMAT_PRINTF(format_at, values_at) __attribute__((format(gnu_printf, format_at, values_at)))
#else
#define FORMAT_PRINTF(format_at, values_at) __attribute__((format(printf, format_at, values_at)))
#endif

#endif
