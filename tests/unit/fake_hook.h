/* fake_hook.h - a webhook that does as it is told: answers, refuses, hangs; and keeps what came. */
#ifndef FARMHAND_TESTS_FAKE_HOOK_H
#define FARMHAND_TESTS_FAKE_HOOK_H

#include <stddef.h>

enum hook_mood { HOOK_WELL, HOOK_500, HOOK_HANGS, HOOK_CLOSES };

struct fake_hook;

struct fake_hook *fake_hook_open(unsigned port); /* on 127.0.0.1; 0: any free one */
void fake_hook_close(struct fake_hook *h);       /* NULL is fine */
unsigned fake_hook_port(const struct fake_hook *h);
void fake_hook_set(struct fake_hook *h, enum hook_mood mood);
/* Requests that came whole, whatever was answered; and of those, the answered with 200. */
size_t fake_hook_count(struct fake_hook *h);
size_t fake_hook_taken(struct fake_hook *h);
/* Head and body of the n-th that was answered with 200, as they came; free() it. */
char *fake_hook_request(struct fake_hook *h, size_t n);

#endif
