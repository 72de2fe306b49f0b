/* clock_win32.c - see clock.h.
 *
 * Interrupt time counts since boot and goes on through sleep and hibernation (unlike
 * QueryUnbiasedInterruptTime); nobody can set it. QueryInterruptTime moves with the timer's tick
 * (up to 16 ms), which is enough for deadlines; the Precise form is ten times as dear. Source:
 * "Interrupt Time" and "QueryInterruptTime", Windows 10 and Server 2016 up. GetTickCount64 counts
 * sleep as well, and stands in on a system that lacks the function.
 */
#include "common/clock.h"

#include "common/sys_win32.h"

/* It lives in an API set that mingw's import libraries do not name. */
typedef void WINAPI query_interrupt_time(ULONGLONG *time_100ns);

static query_interrupt_time *find_interrupt_time(void)
{
    HMODULE base = GetModuleHandleW(L"kernelbase.dll");
    return base ? (query_interrupt_time *)(void *)GetProcAddress(base, "QueryInterruptTime") : NULL;
}

uint64_t clock_boot_ms(void)
{
    query_interrupt_time *interrupt_time = find_interrupt_time();
    ULONGLONG now = 0;
    if (!interrupt_time)
        return GetTickCount64();
    interrupt_time(&now);
    return now / 10000;
}

int64_t clock_wall_ms(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return (int64_t)(sys_filetime(now) / 10000) - INT64_C(11644473600000); /* 1601 to 1970 */
}

void clock_sleep_ms(uint32_t ms)
{
    Sleep(ms);
}
