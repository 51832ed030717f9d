/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nm-trial says to the journal: one MESSAGE_ID per kind of event, and the fields of the interface. Where
 * there is no journald (a container), the same lines go to stderr, if that was asked for. Every field is
 * cleaned: no control characters, no endless lines. Secrets never come here. */
#pragma once

#include "record.h"

#include <glib.h>

enum journal_event {
    JOURNAL_STARTED,
    JOURNAL_EXTENDED,
    JOURNAL_ACTIVE,
    JOURNAL_CHECK,
    JOURNAL_PROMOTING,
    JOURNAL_PROMOTED,
    JOURNAL_REVERTING,
    JOURNAL_REVERTED,
    JOURNAL_RESTORED,
    JOURNAL_RECORD_BAD,
    JOURNAL_REFUSED, /* an annotated candidate was activated, and its trial is refused */
    JOURNAL_IGNORED, /* one was activated, and that starts nothing */
    JOURNAL_GUARDED, /* a profile is guarded from here on, or no more */
    JOURNAL_CHANGED, /* a guarded profile was changed, or a candidate delivered */
    JOURNAL_HOOK,    /* a verdict hook has run, and ended well */
    JOURNAL_TROUBLE,
};

/* On a terminal, and where there is no journald, the lines go to stderr too from now on: for the services,
 * not for the command line. */
void journal_use_stderr(void);

/* Waits until all is sent, for a second at most. For the end of the process. */
void journal_flush(void);

/* Says one line. `record` may be NULL; `pair` is the pair that it is about, -1: the whole trial. */
void journal_say(enum journal_event event, const Record *record, int pair, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Text of others as it may go to a terminal or a log: control characters and broken UTF-8 escaped, and cut
 * after JOURNAL_NAME_MAX bytes of that (`most` with journal_clean_to()). Cleaning it again changes nothing,
 * but for the cut. Caller frees. */
#define JOURNAL_NAME_MAX 256
#define JOURNAL_LINE_MAX 2000
char *journal_clean(const char *text);
char *journal_clean_to(const char *text, gsize most);

/* The trial's last `most` lines in the journal (`id` NULL: ours, of any trial or none), oldest first, each
 * with its time, cleaned; nobody but root has written them. None, where the journal cannot be read within a
 * second. Caller frees. */
char **journal_last(const char *id, guint most);
