/* drivers_tool.c - see drivers_tool.h. */
#include "tests/unit/drivers_tool.h"

#include "common/must.h"
#include "common/os.h"
#include "common/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char *tool_folder_new(void)
{
    const char *base = getenv("TMPDIR");
    struct text path = {0};
    text_addf(&path, "%s/farmhand drivers XXXXXX", base ? base : "/tmp");
    must(mkdtemp(path.data) != NULL);
    return text_take(&path);
}

char *tool_path(const char *folder, const char *name)
{
    struct text path = {0};
    text_addf(&path, "%s/%s", folder, name);
    return text_take(&path);
}

void tool_folder_remove(char *folder)
{
    DIR *dir = opendir(folder);
    must(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir));)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(folder);
    free(folder);
}

void tool_write(const char *folder, const char *name, const void *bytes, size_t len)
{
    char *path = tool_path(folder, name);
    must(os_write_file(path, bytes, len, 0700, NULL) == ERR_NONE);
    free(path);
}

void tool_script(const char *folder, const char *name, const char *lines)
{
    struct text script = {0};
    text_addf(
        &script,
        "#!/bin/sh\n"
        "HERE='%s'\n"
        "code() { if [ -n \"$FARMHAND_EXIT_FD\" ]; then eval \"echo $1 >&$FARMHAND_EXIT_FD\"; "
        "fi; exit $(($1 %% 256)); }\n"
        "%s\n",
        folder, lines);
    tool_write(folder, name, script.data, script.len);
    text_reset(&script);
}

char *tool_read(const char *folder, const char *name)
{
    char *path = tool_path(folder, name);
    char *bytes = NULL;
    size_t len;
    if (os_read_file(path, 1 << 20, &bytes, &len, NULL) != ERR_NONE)
        bytes = must_copy("");
    free(path);
    return bytes;
}

struct tool_worker tool_worker_start(const char *image, const char *pool)
{
    int leash[2];
    int ready[2];
    must(pipe2(leash, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        dup2(leash[0], 0);
        execl("/bin/sh", image, "-c", "read line", "-ap", pool, "-v", "v4.0", (char *)NULL);
        _exit(127);
    }
    close(leash[0]);
    close(ready[1]);
    char none;
    must(read(ready[0], &none, 1) == 0); /* closed by exec */
    close(ready[0]);
    return (struct tool_worker){pid, leash[1]};
}

void tool_worker_end(struct tool_worker *worker)
{
    close(worker->leash);
    must(waitpid(worker->pid, NULL, 0) == worker->pid);
}
