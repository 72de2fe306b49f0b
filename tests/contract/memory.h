/* memory.h - looks for a secret in all that this process can write. */
#ifndef TESTS_CONTRACT_MEMORY_H
#define TESTS_CONTRACT_MEMORY_H

/* backwards: the secret, last character first, so that looking for it does not put it there. What
 * was found as a sentence, free() it; NULL: nothing. */
char *memory_find(const char *backwards);

#endif
