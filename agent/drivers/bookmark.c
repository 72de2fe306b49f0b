/* bookmark.c - see bookmark.h. */
#include "agent/drivers/bookmark.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)64 * 1024)

struct bookmark {
    char *path; /* NULL: in memory alone */
    char *text; /* NULL: not read yet, or none */
};

struct bookmark *bookmark_new(const char *state_dir)
{
    struct bookmark *mark = must_alloc(1, sizeof(*mark));
    struct text path = {0};
    if (state_dir && *state_dir) {
        text_addf(&path, "%s/events.bookmark", state_dir);
        mark->path = text_take(&path);
    }
    return mark;
}

void bookmark_free(struct bookmark *mark)
{
    if (!mark)
        return;
    free(mark->path);
    free(mark->text);
    free(mark);
}

char *bookmark_read(struct bookmark *mark)
{
    size_t len;
    char *text;
    if (!mark->text && mark->path &&
        os_read_file(mark->path, FILE_MAX_BYTES, &text, &len, NULL) == ERR_NONE)
        mark->text = text;
    return must_copy(mark->text);
}

void bookmark_write(struct bookmark *mark, const char *text)
{
    free(mark->text);
    mark->text = must_copy(text);
    if (mark->path)
        os_write_file(mark->path, text, strlen(text), 0600, NULL);
}
