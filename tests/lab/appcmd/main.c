/* main.c - appcmd VERB OBJECT [IDENTIFIER] [/name:value ...] */
#include "tests/lab/appcmd/appcmd.h"

#include "tests/lab/base/words.h"

#include "common/os.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char HELP[] =
    "General purpose IIS command line administration tool (the lab's).\n\n"
    "APPCMD (command) (object-type) <identifier> </parameter1:value1 ...>\n\n"
    "Supported commands: list, recycle, start, stop, set\n"
    "Supported object types: APPPOOL, WP, SITE, APP, REQUEST, CONFIG, VDIR\n";

const char *appcmd_option(const struct appcmd *a, const char *name)
{
    for (size_t i = 0; i < a->option_count; i++) {
        if (text_equal_nocase(a->options[i].name, name))
            return a->options[i].value;
    }
    return NULL;
}

const char *appcmd_pool_name(const struct appcmd *a)
{
    return a->identifier ? a->identifier : appcmd_option(a, "apppool.name");
}

/* "Apppools" -> "apppool"; NULL: no such word. */
static const char *normal(const char *word, const char *const *known)
{
    for (; *known; known++) {
        size_t len = strlen(*known);
        if (words_same(word, *known, len) && (!word[len] || text_equal_nocase(word + len, "s")))
            return *known;
    }
    return NULL;
}

static void take_option(struct appcmd *a, char *word)
{
    char *colon = strchr(word, ':');
    if (colon)
        *colon = '\0';
    a->options[a->option_count++] = (struct option){word + 1, colon ? colon + 1 : ""};
}

static unsigned parse(struct appcmd *a, int argc, char **argv)
{
    static const char *const verbs[] = {"list", "recycle", "start", "stop", "set", NULL};
    static const char *const objects[] = {"apppool", "wp",     "site", "app",
                                          "request", "config", "vdir", NULL};
    a->verb = argc > 1 ? normal(argv[1], verbs) : NULL;
    a->object = argc > 2 ? normal(argv[2], objects) : NULL;
    for (int i = 3; i < argc; i++) {
        if ((argv[i][0] == '/' || argv[i][0] == '-') && a->option_count < APPCMD_OPTIONS)
            take_option(a, argv[i]);
        else if (!a->identifier)
            a->identifier = argv[i];
        else
            return say_error(a, WIN32_INVALID_PARAMETER, "Invalid argument \"%s\".", argv[i]);
    }
    a->xml = appcmd_option(a, "xml") != NULL;
    bool known = a->verb && a->object &&
                 (strcmp(a->verb, "list") == 0 || strcmp(a->object, "apppool") == 0 ||
                  (strcmp(a->verb, "set") == 0 &&
                   (strcmp(a->object, "app") == 0 || strcmp(a->object, "config") == 0)));
    if (known)
        return WIN32_OK;
    const char *verb = argc > 1 ? argv[1] : "", *object = argc > 2 ? argv[2] : "";
    a->verb = a->verb ? a->verb : "help";
    a->object = a->object ? a->object : "";
    return say_error(a, WIN32_INVALID_PARAMETER,
                     "Command '%s' is not supported for object type '%s'. Run 'appcmd.exe /?'.",
                     verb, object);
}

/* The fault for "list-wp", else for "list", else for any. */
static const char *fault(struct appcmd *a, const char *name, const char *otherwise)
{
    char scope[64];
    snprintf(scope, sizeof scope, "%s-%s", a->verb, a->object);
    const char *value = fault_value(a->settings, name, scope, otherwise);
    return value ? value : fault_value(a->settings, name, a->verb, otherwise);
}

/* "130-280" or "200"; a random number between. */
static uint64_t choose_delay(struct appcmd *a)
{
    const char *text = settings_get(a->settings, "server", NULL, "appcmd_delay_ms");
    unsigned low = 130, high = 280, random = 0;
    if (text && sscanf(text, "%u-%u", &low, &high) == 1)
        high = low;
    os_random(&random, sizeof random, NULL);
    return low + (high > low ? random % (high - low + 1) : 0);
}

static void wait_as_asked(struct appcmd *a)
{
    uint64_t ms = 5000;
    const char *slow = fault(a, "appcmd-slow", "5000");
    if (slow && text_parse_u64(slow, 0, UINT32_MAX, &ms))
        lab_os_sleep_ms(ms);
    while (fault(a, "appcmd-hangs", NULL))
        lab_os_sleep_ms(100);
    a->delay_ms = choose_delay(a);
    if (strcmp(a->verb, "set") != 0)
        lab_os_sleep_ms(a->delay_ms);
}

static unsigned run(struct appcmd *a)
{
    uint64_t code = WIN32_ACCESS_DENIED;
    const char *denied = fault_value(a->settings, "access-denied", NULL, "5");
    if (denied && text_parse_u64(denied, 1, UINT32_MAX, &code))
        return say_hresult(a, (unsigned)code);
    const char *wrong = fault(a, "appcmd-error", "5");
    if (wrong && text_parse_u64(wrong, 1, UINT32_MAX, &code))
        return say_hresult(a, (unsigned)code);
    if (strcmp(a->verb, "list") == 0)
        return appcmd_list(a);
    return strcmp(a->verb, "set") == 0 ? appcmd_set(a) : appcmd_act(a);
}

static bool find_server(struct appcmd *a, int *argc, char ***argv, char dir[LAB_PATH_MAX])
{
    struct error err = {0};
    if (*argc > 2 && strcmp((*argv)[1], "--server") == 0) {
        text_copy(dir, LAB_PATH_MAX, (*argv)[2]);
        *argc -= 2;
        *argv += 2;
    } else if (lab_os_own_folder(dir, &err)) {
        *strrchr(dir, '/') = '\0';
    }
    a->dir = dir;
    a->settings = settings_open(dir, &err);
    if (a->settings)
        return true;
    fprintf(stderr, "appcmd: %s\n", err.text);
    return false;
}

int main(int argc, char **argv)
{
    char dir[LAB_PATH_MAX];
    struct appcmd a = {0};
    lab_os_begin(&argc, &argv);
    if (!find_server(&a, &argc, &argv, dir))
        return lab_os_exit_code(WIN32_INVALID_DATA);
    if (argc < 2 || strcmp(argv[1], "/?") == 0) {
        fputs(HELP, stdout);
        fflush(stdout);
        settings_close(a.settings);
        return lab_os_exit_code(WIN32_NOTHING);
    }
    const char *language = fault_value(a.settings, "appcmd-language", NULL, "de-cp850");
    a.german = language != NULL;
    unsigned code = parse(&a, argc, argv);
    if (!code) {
        wait_as_asked(&a);
        code = run(&a);
    }
    say_print(&a, &code);
    text_reset(&a.out);
    settings_close(a.settings);
    return lab_os_exit_code(code);
}
