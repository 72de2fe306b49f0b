/* clock.h - the two clocks of the program.
 *
 * Decisions never read these: the shell reads them once per event and hands the time in.
 * Deadlines use boot time, which goes on while the machine is suspended. Wall time is for windows
 * and display, and may jump. Source: clock_gettime(2), CLOCK_BOOTTIME counts suspension; on
 * Windows interrupt time, see clock_win32.c.
 */
#ifndef FARMHAND_COMMON_CLOCK_H
#define FARMHAND_COMMON_CLOCK_H

#include <stdint.h>

uint64_t clock_boot_ms(void); /* milliseconds since boot, suspension included; never goes back */
int64_t clock_wall_ms(void);  /* milliseconds since 1970-01-01 UTC */

void clock_sleep_ms(uint32_t ms); /* blocks: for threads that have nothing else to wait for */

#endif
