/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include "checks.h"
#include "duration.h"
#include "journal.h"
#include "names.h"
#include "own.h"
#include "plan.h"
#include "store.h"

#define TIMEOUT_AUTO_MS (120 * 1000)
#define TIMEOUT_MODEM_MS (300 * 1000)
#define TIMEOUT_MANUAL_MS (600 * 1000) /* RFC 6241 section 8.4: the default confirm-timeout */
#define HOLD_MS (10 * 1000)
#define GROUP_TRIAL "trial"

void options_clear(Options *options)
{
    g_clear_pointer(&options->replaces, g_free);
    g_clear_pointer(&options->checks, g_strfreev);
}

/* Each takes one value. FALSE: it is not allowed, and nothing was taken. */

static gboolean take_replaces(Options *options, const char *value)
{
    g_free(options->replaces);
    options->replaces = g_strdup(value);
    return TRUE; /* whether there is such a profile is for the plan to see */
}

static gboolean take_timeout(Options *options, const char *value)
{
    return duration_parse("", value, &options->timeout_ms, NULL);
}

static gboolean take_hold(Options *options, const char *value)
{
    return duration_parse("", value, &options->hold_ms, NULL);
}

static gboolean take_confirm(Options *options, const char *value)
{
    options->manual = strcmp(value, "manual") == 0;
    return options->manual || strcmp(value, "auto") == 0;
}

static gboolean take_checks(Options *options, const char *value)
{
    g_auto(GStrv) names = g_strsplit(value, ";", -1);
    guint n = g_strv_length(names);

    if (n > 1 && !*names[n - 1]) /* a list may end as the keyfile format's lists do */
        g_clear_pointer(&names[--n], g_free);
    for (guint i = 0; i < n; i++)
        if (!checks_known(names[i]))
            return FALSE;
    g_strfreev(options->checks);
    options->checks = g_steal_pointer(&names);
    return n > 0;
}

static gboolean take_fallback(Options *options, const char *value)
{
    options->fallback = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
    return options->fallback || strcmp(value, "no") == 0 || strcmp(value, "false") == 0;
}

/* It says what starts a trial, and nothing of the trial: it is read where a candidate comes up. */
static gboolean take_start(Options *options, const char *value)
{
    static const char *const names[] = {"up", "boot", "manual", NULL};
    (void)options;
    return g_strv_contains(names, value);
}

/* It says what becomes of later changes of the profile, and nothing of a trial. */
static gboolean take_guard(Options *options, const char *value)
{
    static const char *const names[] = {"yes", "true", "no", "false", NULL};
    (void)options;
    return g_strv_contains(names, value);
}

static const struct {
    const char *name; /* nm-trial.NAME, and NAME= in nm-trial.conf */
    const char *word; /* of the command line; NULL: none, or one that is not for the whole trial */
    gboolean device;  /* makes sense for a whole device */
    gboolean (*take)(Options *options, const char *value);
    const char *allowed;
} keys[OPTION_N_KEYS] = {
    [OPTION_REPLACES] = {"replaces", NULL, FALSE, take_replaces, "a profile's UUID or id, or none"},
    [OPTION_TIMEOUT] = {"timeout", "--timeout", TRUE, take_timeout, "1s to 24h, as 90, 90s, 10m or 1h"},
    [OPTION_HOLD] = {"hold", "--hold", TRUE, take_hold, "1s to 24h, as 90, 90s, 10m or 1h"},
    [OPTION_CONFIRM] = {"confirm", "--confirm", TRUE, take_confirm, "auto or manual"},
    [OPTION_CHECKS] = {"checks", "--check", TRUE, take_checks,
                       "nm, gateway, none or the name of a check in " NM_TRIAL_CHECK_DIR
                       "; several with ; between"},
    [OPTION_FALLBACK] = {"fallback", "--fallback", TRUE, take_fallback, "yes or no"},
    [OPTION_START] = {"start", NULL, FALSE, take_start, "up, boot or manual"},
    [OPTION_GUARD] = {"guard", NULL, FALSE, take_guard, "yes or no"},
};

/* The key as whoever wrote it knows it. Caller frees. */
static char *label(enum option_source source, enum option_key key)
{
    if (source == OPTION_BY_COMMAND)
        return g_strdup(keys[key].word);
    return g_strconcat(source == OPTION_BY_PROFILE ? ANNOTATION_PREFIX : "", keys[key].name,
                       source == OPTION_BY_DEVICE ? " of nm-trial.conf" : "", NULL);
}

static gboolean G_GNUC_PRINTF(3, 4) wrong(enum option_source source, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(PLAN_ERROR, source == OPTION_BY_COMMAND ? EXIT_USAGE : EXIT_REFUSED,
                                    format, arguments);
    va_end(arguments);
    return FALSE;
}

static int find(const char *name)
{
    for (int key = 0; key < OPTION_N_KEYS; key++)
        if (strcmp(keys[key].name, name) == 0)
            return key;
    return -1;
}

static char *names_of(gboolean device)
{
    GString *names = g_string_new(NULL);
    for (int key = 0; key < OPTION_N_KEYS; key++)
        if (!device || keys[key].device)
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", keys[key].name);
    return g_string_free(names, FALSE);
}

gboolean options_set(Options *options, enum option_source source, const char *name, const char *value,
                     GError **error)
{
    int key = find(name);
    if (key < 0 || (source == OPTION_BY_DEVICE && !keys[key].device)) {
        g_autofree char *names = names_of(source == OPTION_BY_DEVICE), *clean = journal_clean_to(name, 40);
        return wrong(source, error, "there is no key \"%s\"; there are: %s", clean, names);
    }
    g_auto(Options) unused = {0}; /* what a stronger source overrides must be right all the same */
    gboolean overridden = options->source[key] > source;
    if (!overridden)
        options->source[key] = source;
    if (keys[key].take(overridden ? &unused : options, value))
        return TRUE;
    g_autofree char *which = label(source, (enum option_key)key), *clean = journal_clean_to(value, 40);
    return wrong(source, error, "%s is \"%s\"; allowed: %s", which, clean, keys[key].allowed);
}

gboolean options_take_profile(Options *options, const Profile *profile, GError **error)
{
    for (int key = 0; key < OPTION_N_KEYS; key++) {
        g_autofree char *name = g_strconcat(ANNOTATION_PREFIX, keys[key].name, NULL);
        const char *value = profile_annotation(profile, name);
        if (value && !options_set(options, OPTION_BY_PROFILE, keys[key].name, value, error)) {
            g_prefix_error(error, "\"%s\": ", profile->id);
            return FALSE;
        }
    }
    return TRUE;
}

/* [trial], and nothing else: a word that is not understood may be the one that matters. */
static gboolean take_group(Options *options, GKeyFile *file, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    g_auto(GStrv) names = g_key_file_get_keys(file, GROUP_TRIAL, NULL, NULL);

    for (char **group = groups; *group; group++)
        if (strcmp(*group, GROUP_TRIAL) != 0)
            return wrong(OPTION_BY_DEVICE, error, "section [%s] is unknown; there is [" GROUP_TRIAL "]",
                         *group);
    for (char **name = names; name && *name; name++) {
        g_autofree char *value = g_key_file_get_string(file, GROUP_TRIAL, *name, NULL);
        if (!options_set(options, OPTION_BY_DEVICE, *name, value ? value : "", error))
            return FALSE;
    }
    return TRUE;
}

gboolean options_take_file(Options *options, const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) failure = NULL;
    g_autofree char *data = NULL;
    gsize length = 0;

    if (!store_read_public(path, &data, &length, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        if (!store_unusable(failure)) /* the disk fails, which may pass */
            return plan_later(error, failure);
        return wrong(OPTION_BY_DEVICE, error, "%s", failure->message);
    }
    if (!g_key_file_load_from_data(file, data, length, G_KEY_FILE_NONE, &failure))
        return wrong(OPTION_BY_DEVICE, error, "%s: %s", path, failure->message);
    if (take_group(options, file, error))
        return TRUE;
    g_prefix_error(error, "%s: ", path);
    return FALSE;
}

static gboolean complete_hold(Options *options, GError **error)
{
    enum option_source source = options->source[OPTION_HOLD];

    if (source == OPTION_BY_DEFAULT)
        options->hold_ms = MIN(HOLD_MS, options->timeout_ms / 2);
    if (options->hold_ms < options->timeout_ms)
        return TRUE;
    if (source < options->source[OPTION_TIMEOUT]) {
        options->hold_ms = options->timeout_ms / 2;
        return TRUE;
    }
    g_autofree char *which = label(source, OPTION_HOLD);
    return wrong(source, error,
                 "%s (%" G_GINT64_FORMAT " s) must be shorter than the timeout (%" G_GINT64_FORMAT
                 " s): the checks could never pass for so long.",
                 which, options->hold_ms / 1000, options->timeout_ms / 1000);
}

static gboolean complete_checks(const Options *options, GError **error)
{
    static const char *const built_in[] = {"nm", "gateway", "none", NULL};
    enum option_source source = options->source[OPTION_CHECKS];
    g_autofree char *which = label(source, OPTION_CHECKS);

    for (char **name = options->checks; name && *name; name++) {
        g_autoptr(GError) failure = NULL;
        if (!g_strv_contains(built_in, *name) && !own_fit(NM_TRIAL_CHECK_DIR, *name, &failure))
            return plan_refuse(error, "%s %s: %s. Built in are nm, gateway and none.", which, *name,
                               failure->message);
    }
    if (!options->checks || !g_strv_contains((const char *const *)options->checks, "none"))
        return TRUE;
    if (!options->manual)
        return wrong(source, error, "%s none needs confirm manual: somebody must judge.", which);
    return g_strv_length(options->checks) == 1 ||
           wrong(source, error, "%s none excludes any other check.", which);
}

gboolean options_complete(Options *options, const char *type, GError **error)
{
    gboolean modem =
        strcmp(type, NM_SETTING_GSM_SETTING_NAME) == 0 || strcmp(type, NM_SETTING_CDMA_SETTING_NAME) == 0;
    if (options->source[OPTION_TIMEOUT] == OPTION_BY_DEFAULT)
        options->timeout_ms = options->manual ? TIMEOUT_MANUAL_MS
                              : modem         ? TIMEOUT_MODEM_MS
                                              : TIMEOUT_AUTO_MS;
    return complete_hold(options, error) && complete_checks(options, error);
}

const char *options_allowed(const char *name)
{
    int key = find(name);
    return key < 0 ? NULL : keys[key].allowed;
}
