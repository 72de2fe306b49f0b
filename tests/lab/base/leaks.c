/* leaks.c - the lab's programs, built with AddressSanitizer, do not look for leaks when they end.
 *
 * They are started by the thousand and live for milliseconds; the search takes half of their time.
 * What the product leaks is found in the product's own programs. Not a part of lab_base: tests that
 * link it go on looking.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
