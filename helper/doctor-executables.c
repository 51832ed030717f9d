/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The administrator's own checks and verdict hooks, as own.c looks at them before each run. */
#include "doctor.h"
#include "names.h"
#include "own.h"

void doctor_executables(Doctor *doctor)
{
    static const char *const directories[] = {NM_TRIAL_CHECK_DIR, NM_TRIAL_HOOK_DIR};
    guint before = doctor->findings->len;

    for (gsize i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autoptr(GError) closed = NULL;
        g_autoptr(GDir) directory = g_dir_open(directories[i], 0, &closed);
        const char *name;
        if (closed && !g_error_matches(closed, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            doctor_say(doctor, FINDING_WARNING, g_strdup(closed->message), g_strdup("Make it a directory."));
        while (directory && (name = g_dir_read_name(directory))) {
            g_autoptr(GError) error = NULL;
            if (*name != '.' && !own_fit(directories[i], name, &error))
                doctor_say(doctor, FINDING_WARNING, g_strdup_printf("not run: %s", error->message),
                           g_strdup("Mend it, or move it elsewhere."));
        }
    }
    doctor_say_well(doctor, before,
                    g_strdup("every file of " NM_TRIAL_CHECK_DIR " and " NM_TRIAL_HOOK_DIR " may be run"));
}
