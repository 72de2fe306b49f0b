/* say.c - messages in two languages, and the ways in which output is spoilt. */
#include "tests/lab/appcmd/appcmd.h"

#include "common/must.h"
#include "common/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_BYTES (64u << 20)

static const struct {
    unsigned code;
    const char *text;
} GERMAN[] = {
    {5, "Zugriff verweigert."},
    {13, "Die Daten sind unzulässig."},
    {32, "Der Prozess kann nicht auf die Datei zugreifen, da sie von einem anderen Prozess "
         "verwendet wird."},
    {50, "Die Anforderung wird nicht unterstützt."},
    {87, "Falscher Parameter."},
    {258, "Das Zeitlimit für den Wartevorgang wurde überschritten."},
    {1056, "Es wird bereits eine Instanz des Dienstes ausgeführt."},
    {1061, "Der Dienst kann zurzeit keine Steuermeldungen annehmen."},
    {1062, "Der Dienst wurde nicht gestartet."},
    {4312, "Der Objektbezeichner stellt kein gültiges Objekt dar."},
};

static const char *words(const struct appcmd *a, unsigned code)
{
    for (size_t i = 0; a->german && i < sizeof GERMAN / sizeof *GERMAN; i++) {
        if (GERMAN[i].code == code)
            return GERMAN[i].text;
    }
    return win32_text(code);
}

static void add_error(struct appcmd *a, unsigned hresult, const char *message)
{
    text_reset(&a->out);
    if (!a->xml) {
        text_add(&a->out, a->german ? "FEHLER ( " : "ERROR ( ");
        if (hresult)
            text_addf(&a->out, "hresult:%08x, ", hresult);
        text_addf(&a->out, "message:%s )\n", message);
        return;
    }
    text_add(&a->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<appcmd>\n    <ERROR ");
    if (hresult)
        text_addf(&a->out, "hresult=\"%08x\" ", hresult);
    text_add(&a->out, "message=\"");
    xml_escape(&a->out, message);
    text_add(&a->out, "\" />\n</appcmd>\n");
}

unsigned say_error(struct appcmd *a, unsigned code, const char *fmt, ...)
{
    struct text message = {0};
    va_list args;
    va_start(args, fmt);
    text_vaddf(&message, fmt, args);
    va_end(args);
    add_error(a, 0, text_get(&message));
    text_reset(&message);
    return code;
}

unsigned say_hresult(struct appcmd *a, unsigned code)
{
    struct text message = {0};
    unsigned hresult = code > 0xffff ? code : 0x80070000u | code;
    if (code == WIN32_NOT_SUPPORTED)
        return say_error(a, code, "%s",
                         a->german ? "Der WAS-Dienst ist nicht verfügbar. Starten Sie zuerst den "
                                     "Dienst."
                                   : "The WAS service is not available - try starting the service "
                                     "first.");
    text_addf(&message, "%s\n%s\n",
              a->german ? "Fehler bei der Befehlsausführung." : "Command execution failed.",
              words(a, code));
    add_error(a, hresult, text_get(&message));
    text_reset(&message);
    return code;
}

unsigned say_unknown(struct appcmd *a, const char *kind, const char *name)
{
    return say_error(a, WIN32_NOT_FOUND,
                     a->german ? "%s-Objekt mit Bezeichner \"%s\" wurde nicht gefunden."
                               : "Cannot find %s object with identifier \"%s\".",
                     kind, name);
}

void say_done(struct appcmd *a, const char *pool)
{
    static const char *const english[] = {"recycled", "started.", "stopped"};
    static const char *const german[] = {"wiederverwendet", "gestartet – läuft.",
                                         "beendet – für "
                                         "später"};
    size_t at = strcmp(a->verb, "recycle") == 0 ? 0 : strcmp(a->verb, "start") == 0 ? 1 : 2;
    if (a->german)
        text_addf(&a->out, "\"%s\" wurde erfolgreich %s\n", pool, german[at]);
    else
        text_addf(&a->out, "\"%s\" successfully %s\n", pool, english[at]);
}

static void convert(struct text *out, const char *code_page)
{
    size_t len = 0;
    char *bytes = lab_os_encode(code_page, text_get(out), out->len, &len);
    if (!bytes)
        return;
    text_reset(out);
    text_add_bytes(out, bytes, len);
    free(bytes);
}

static void insert(struct text *out, const char *bytes, size_t len)
{
    struct text whole = {0};
    text_add_bytes(&whole, bytes, len);
    text_add_bytes(&whole, text_get(out), out->len);
    text_reset(out);
    *out = whole;
}

static void add_carriage_returns(struct text *out)
{
    struct text whole = {0};
    for (size_t i = 0; i < out->len; i++)
        text_add_bytes(&whole, out->data[i] == '\n' ? "\r\n" : out->data + i,
                       out->data[i] == '\n' ? 2 : 1);
    text_reset(out);
    *out = whole;
}

static void print_huge(const struct appcmd *a)
{
    static const char pool[] = "    <APPPOOL APPPOOL.NAME=\"x\" PipelineMode=\"Integrated\" "
                               "RuntimeVersion=\"v4.0\" state=\"Started\" />\n";
    if (a->xml)
        printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<appcmd>\n");
    for (size_t sent = 0; sent < HUGE_BYTES; sent += sizeof pool - 1)
        fwrite(pool, 1, sizeof pool - 1, stdout);
    if (a->xml)
        printf("</appcmd>\n");
}

static void print_garbage(void)
{
    unsigned char bytes[1024];
    if (os_random(bytes, sizeof bytes, NULL) == ERR_NONE)
        fwrite(bytes, 1, sizeof bytes, stdout);
}

/* True: it has printed something else instead. */
static bool spoil(struct appcmd *a, const char *kind, unsigned *code)
{
    if (strcmp(kind, "huge") == 0) {
        print_huge(a);
        return true;
    }
    if (strcmp(kind, "garbage") == 0) {
        print_garbage();
        return true;
    }
    if (strcmp(kind, "nomatch1") == 0)
        *code = WIN32_NOTHING;
    if (strcmp(kind, "empty") == 0 || strcmp(kind, "nomatch1") == 0)
        text_reset(&a->out);
    else if (strcmp(kind, "half") == 0)
        a->out.len /= 2;
    else if (strcmp(kind, "bom") == 0)
        insert(&a->out, "\xef\xbb\xbf", 3);
    else if (strcmp(kind, "crlf") == 0)
        add_carriage_returns(&a->out);
    else if (strcmp(kind, "utf16") == 0) {
        convert(&a->out, "UTF-16LE");
        insert(&a->out, "\xff\xfe", 2);
    }
    return false;
}

void say_print(struct appcmd *a, unsigned *code)
{
    char scope[64];
    snprintf(scope, sizeof scope, "%s-%s", a->verb, a->object);
    const char *language = fault_value(a->settings, "appcmd-language", NULL, "de-cp850");
    if (language && strncmp(language, "de-", 3) == 0 && strcmp(language, "de-utf8") != 0) {
        bool wide = strcmp(language, "de-utf16") == 0;
        convert(&a->out, wide                                 ? "UTF-16LE"
                         : strcmp(language, "de-cp1252") == 0 ? "CP1252"
                                                              : "CP850");
    }
    const char *kind = fault_value(a->settings, "appcmd-output", scope, "half");
    if (!kind)
        kind = fault_value(a->settings, "appcmd-output", a->verb, "half");
    if (!kind || !spoil(a, kind, code))
        fwrite(text_get(&a->out), 1, a->out.len, stdout);
    fflush(stdout);
}
