/* words_policy.c - see words.h: what a run bears, as the words of stores and requests. */
#include "coordinator/core/words.h"

#include "common/text.h"

#include <string.h>

#define PER_WAVE "/wave"

bool trouble_parse(const char *word, enum trouble *out)
{
    for (int k = 0; k < ROLLOUT_TROUBLES; k++) {
        if (text_equal(word, trouble_name((enum trouble)k))) {
            *out = (enum trouble)k;
            return true;
        }
    }
    return false;
}

static int take_limit(const char *part, void *arg)
{
    struct policy *p = arg;
    char number[SHARE_TEXT_MAX];
    size_t len = strlen(part), tail = strlen(PER_WAVE);
    bool per_wave = len > tail && text_equal(part + len - tail, PER_WAVE);
    if (!per_wave) {
        return share_parse(part, &p->run) ? 0 : 1;
    }
    if (len - tail >= sizeof number) {
        return 1;
    }
    memcpy(number, part, len - tail);
    number[len - tail] = '\0';
    p->wave_limited = true;
    return share_parse(number, &p->wave) ? 0 : 1;
}

bool limits_parse(const char *text, struct policy *out)
{
    struct policy p = {.then = out->then, .run = {.number = 100, .percent = true}};
    const char *comma = strchr(text, ',');
    if (text_split(text, ',', take_limit, &p) != 0 || (comma && strchr(comma + 1, ',')) ||
        (comma && !p.wave_limited)) {
        return false;
    }
    *out = p;
    return true;
}

const char *limits_format(char out[LIMITS_TEXT_MAX], const struct policy *p)
{
    char run[SHARE_TEXT_MAX], wave[SHARE_TEXT_MAX];
    text_format(out, LIMITS_TEXT_MAX, "%s%s%s%s", share_format(run, p->run),
                p->wave_limited ? "," : "", p->wave_limited ? share_format(wave, p->wave) : "",
                p->wave_limited ? PER_WAVE : "");
    return out;
}

const char *policies_format(char out[POLICIES_TEXT_MAX], const struct policy *policies)
{
    size_t used = 0;
    for (int k = 0; k < ROLLOUT_TROUBLES; k++) {
        char limits[LIMITS_TEXT_MAX];
        text_format(out + used, POLICIES_TEXT_MAX - used, "%s%s %s", k ? ";" : "",
                    on_failure_name(policies[k].then), limits_format(limits, &policies[k]));
        used += strlen(out + used);
    }
    return out;
}

struct policies {
    struct policy all[ROLLOUT_TROUBLES];
    size_t count;
};

static int take_policy(const char *part, void *arg)
{
    struct policies *p = arg;
    char then[16];
    const char *blank = strchr(part, ' ');
    if (!blank || (size_t)(blank - part) >= sizeof then || p->count == ROLLOUT_TROUBLES) {
        return 1;
    }
    memcpy(then, part, (size_t)(blank - part));
    then[blank - part] = '\0';
    struct policy *one = &p->all[p->count++];
    return on_failure_parse(then, &one->then) && limits_parse(blank + 1, one) ? 0 : 1;
}

bool policies_parse(const char *text, struct policy *out)
{
    struct policies p = {.count = 0};
    if (text_split(text, ';', take_policy, &p) != 0 || p.count != ROLLOUT_TROUBLES) {
        return false;
    }
    memcpy(out, p.all, sizeof p.all);
    return true;
}

const char *troubles_format(char out[TROUBLES_TEXT_MAX], const uint32_t *run, const uint32_t *wave)
{
    size_t used = 0;
    for (int k = 0; k < ROLLOUT_TROUBLES; k++) {
        text_format(out + used, TROUBLES_TEXT_MAX - used, "%s%u/%u", k ? " " : "", run[k], wave[k]);
        used += strlen(out + used);
    }
    return out;
}

struct tally {
    uint32_t run[ROLLOUT_TROUBLES], wave[ROLLOUT_TROUBLES];
    size_t count;
};

static int take_count(const char *part, void *arg)
{
    struct tally *t = arg;
    char run[16];
    uint64_t a, b;
    const char *slash = strchr(part, '/');
    if (!slash || (size_t)(slash - part) >= sizeof run || t->count == ROLLOUT_TROUBLES) {
        return 1;
    }
    memcpy(run, part, (size_t)(slash - part));
    run[slash - part] = '\0';
    if (!text_parse_u64(run, 0, UINT32_MAX, &a) || !text_parse_u64(slash + 1, 0, UINT32_MAX, &b)) {
        return 1;
    }
    t->run[t->count] = (uint32_t)a;
    t->wave[t->count++] = (uint32_t)b;
    return 0;
}

bool troubles_parse(const char *text, uint32_t *run, uint32_t *wave)
{
    struct tally t = {.count = 0};
    if (text_split(text, ' ', take_count, &t) != 0 || t.count != ROLLOUT_TROUBLES) {
        return false;
    }
    memcpy(run, t.run, sizeof t.run);
    memcpy(wave, t.wave, sizeof t.wave);
    return true;
}

/* ---- limits of gates ---- */

bool bound_parse(const char *text, struct bound *out)
{
    char digits[BOUND_TEXT_MAX];
    size_t len = strlen(text);
    struct bound b = {.set = len > 0, .percent = len > 0 && text[len - 1] == '%'};
    if (!text_copy(digits, sizeof digits, text)) {
        return false;
    }
    digits[len - (b.percent ? 1 : 0)] = '\0';
    uint64_t max = b.percent ? 10000 : UINT64_C(1) << 50;
    if (len && !text_parse_u64(digits, b.percent ? 1 : 0, max, &b.value)) {
        return false;
    }
    *out = b;
    return true;
}

const char *bound_format(char out[BOUND_TEXT_MAX], const struct bound *b)
{
    out[0] = '\0';
    if (b->set) {
        text_format(out, BOUND_TEXT_MAX, "%llu%s", (unsigned long long)b->value,
                    b->percent ? "%" : "");
    }
    return out;
}
