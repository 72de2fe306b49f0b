/* program.h - the first thing in main(): words and output as the rest of the program expects them,
 * and no core file, since keys and tokens are in our memory.
 *
 * On Windows argv arrives in the code page of the machine, and output goes through line-end
 * translation: argv becomes UTF-8, read from the command line itself; stdout and stderr become
 * UTF-8 without translation. On Linux no core is dumped, nor can anybody but root read our memory,
 * environment or descriptors (/proc), or trace us.
 */
#ifndef FARMHAND_COMMON_PROGRAM_H
#define FARMHAND_COMMON_PROGRAM_H

/* *argv is replaced by one that lives as long as the process. */
void program_start(int *argc, char ***argv);
/* Puts back what the console was before. Runs at exit(); whoever ends the process otherwise calls
 * it. */
void program_end(void);

#endif
