/* profile.c - see profile.h. */
#include "proto/profile.h"

#include "common/text.h"

const char *const profile_words[] = {"observe", "operate", "operate-services", NULL};

const char *profile_name(enum profile profile)
{
    return (unsigned)profile < PROFILE_COUNT ? profile_words[profile] : "?";
}

bool profile_parse(const char *word, enum profile *out)
{
    for (int i = 0; i < PROFILE_COUNT; i++)
        if (text_equal(word, profile_words[i])) {
            *out = (enum profile)i;
            return true;
        }
    return false;
}

enum profile profile_needed(enum verb verb)
{
    switch (verb) {
    case VERB_OBSERVE:
    case VERB_QUERY:
    case VERB_ROTATION:
    case VERB_READY:
        return PROFILE_OBSERVE;
    case VERB_RECYCLE:
    case VERB_START:
    case VERB_STOP:
    case VERB_SET:
    case VERB_WORKER_KILL:
    case VERB_DRAIN:
        return PROFILE_OPERATE;
    case VERB_SERVICE_RECOVER:
    case VERB_SERVICE_RESTART:
    case VERB_SERVICE_STOP:
    case VERB_SERVICE_START:
    case VERB_NONE:
        break;
    }
    return PROFILE_OPERATE_SERVICES; /* what is not known is worth the most */
}
