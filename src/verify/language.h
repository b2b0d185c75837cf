/* language.h: how programs of one language are built and run; the rows are in language.c. */
#ifndef VERIFY_LANGUAGE_H
#define VERIFY_LANGUAGE_H

#include "verify/verify.h"

/* In the commands %S is the source's file, %X all files with the language's ending, %C the class with main,
 * %M the memory limit in MiB. */
struct code_language {
    const char *name;
    const char *names;   /* all its names, in lower case, with a blank around each */
    const char *tools;   /* commands that must be there, with a blank between */
    const char *package; /* Debian's */
    const char *file, *ending;
    const char *build; /* in the words of the shell; leaves `made`; NULL: nothing to build */
    const char *made;
    bool includes; /* its sources can name any file, to be read while it is built */
    const char *run[12];
    const char *comment; /* how a line of comment begins, for tests */
    const char *hello;   /* a program that prints the sum of two numbers read, for tests */
    size_t overhead;     /* bytes that its machine takes beside the program's own */
    bool reserves;       /* maps far more address space than it uses: no limit on that */
    int processes;
};

#endif
