/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libnm.h"

#include "journal.h"
#include "terminal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBNM "libnm.so.0"

/* Not verb_error(): with the lock in hand that says it later, and there is no later. */
static _Noreturn void missing(void)
{
    if (terminal_takes(STDERR_FILENO)) /* the lock may be held */
        fprintf(stderr, "nm-trial: NetworkManager's library is missing: %s. Install it (Debian: libnm0).\n",
                dlerror());
    journal_flush();
    exit(EXIT_FAILURE);
}

const struct libnm *libnm(void)
{
    /* one name behind the other, in the order of the members */
#define X(name) "nm_" #name "\0"
    static const char names[] = LIBNM_FUNCTIONS(X);
#undef X
    static union {
        struct libnm functions;
        void *symbols[sizeof(struct libnm) / sizeof(void *)];
    } loaded;
    static gboolean done;

    if (done)
        return &loaded.functions;
    void *library = dlopen(LIBNM, RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        missing();
    gsize n = 0;
    for (const char *name = names; *name; name += strlen(name) + 1)
        if (!(loaded.symbols[n++] = dlsym(library, name)))
            missing();
    done = TRUE;
    return &loaded.functions;
}
