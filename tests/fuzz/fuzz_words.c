/* fuzz_words.c - any bytes as what people and agents write in one line: tokens, addresses,
 * selectors, labels, PEM. What is taken must come back as it was. */
#include "fuzz.h"

#include "common/must.h"
#include "common/text.h"
#include "coordinator/core/selector.h"
#include "coordinator/enrol/enrol.h"
#include "proto/pem.h"
#include "proto/token.h"
#include "proto/url.h"

#include <stdlib.h>
#include <string.h>

static void tokens(const char *text)
{
    struct join_token join;
    struct operator_token operator;
    char printed[TOKEN_TEXT_MAX];
    struct error err = {0};
    const char *begin = text + strspn(text, " \t\r\n");
    if (join_token_parse(text, &join, &err) == ERR_NONE) {
        join_token_print(&join, printed);
        must(strncmp(printed, begin, strlen(printed)) == 0); /* one spelling each */
    }
    if (operator_token_parse(text, &operator, & err) == ERR_NONE) {
        operator_token_print(&operator, printed);
        must(strncmp(printed, begin, strlen(printed)) == 0);
    }
}

static void pem(const char *text)
{
    struct text inside = {0}, again = {0}, whole = {0};
    if (pem_inside(text, PEM_CERTIFICATE, 0, &inside)) {
        pem_add(&whole, PEM_CERTIFICATE, text_get(&inside));
        must(pem_inside(text_get(&whole), PEM_CERTIFICATE, 0, &again));
        must(text_equal(text_get(&inside), text_get(&again)));
    }
    text_reset(&inside);
    text_reset(&again);
    text_reset(&whole);
}

static void addresses(const char *text)
{
    char host[256];
    struct error err = {0};
    if (wire_check_url(text, true, &err) == ERR_NONE)
        must(text_starts(text, "ipc://") || wire_url_host(text, host, sizeof(host)));
    else
        must(err.text[0]);
}

static void selectors(const char *text)
{
    static const struct selector_label labels[] = {{"farm", "web"}, {"zone", "a"}};
    struct error err = {0};
    if (selector_check(text, &err) == ERR_NONE)
        (void)selector_match(text, "web01", labels, 2);
    (void)member_labels_ok(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = must_alloc(size + 1, 1);
    memcpy(text, data, size);
    tokens(text);
    pem(text);
    addresses(text);
    selectors(text);
    free(text);
    return 0;
}

uint8_t *fuzz_seed(size_t n, size_t *size)
{
    static const char *const seeds[] = {
        "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n",
        "tls+tcp://[2001:db8::1]:7600",
        "tcp://127.0.0.1:7600",
        "ipc:///run/farmhand/agents",
        "farm=web,zone=a,!web07,web*",
        "farm=web,zone=a",
        "fho1.AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAAAAAA",
    };
    struct join_token token = {.profile = PROFILE_OPERATE, .secret = {1, 2, 3}};
    char text[TOKEN_TEXT_MAX];
    const char *seed = text;
    if (n > sizeof(seeds) / sizeof(seeds[0]))
        return NULL;
    join_token_print(&token, text);
    if (n > 0)
        seed = seeds[n - 1];
    *size = strlen(seed);
    return (uint8_t *)must_copy(seed);
}
