/* conf.c - see conf.h. SAMPLE is the file to begin with. */
#include "conf.h"
#include "fuzz.h"

#include "common/must.h"
#include "common/os.h"

#include <stdlib.h>
#include <string.h>

static void count(void *arg, const char *line)
{
    must(line[0] != '\0');
    (*(size_t *)arg)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    size_t told = 0;
    char *text = must_alloc(size + 1, 1);
    memcpy(text, data, size);
    if (conf_parse(text, count, &told, &err) != ERR_NONE)
        must(told > 0 && err.text[0]);
    free(text);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    char *text = NULL;
    if (n > 0 || os_read_file(SAMPLE, 1 << 20, &text, size, NULL) != ERR_NONE)
        return NULL;
    /* The sample's lines are comments: with them taken away they are the settings. */
    for (char *c = text; *c; c++)
        if (*c == '#' && (c == text || c[-1] == '\n'))
            *c = ' ';
    return (uint8_t *)text;
}
