/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stored profiles: does each device come up at the next boot, and on a profile that was tried? */
#include "doctor.h"
#include "good.h"
#include "libnm.h"
#include "names.h"
#include "plan.h"
#include "profiles.h"
#include "storage.h"

/* What a profile says of itself; a profile with permissions is a user's own and is not believed. */
static const char *annotation(const Profile *profile, const char *key)
{
    return profile_believed(profile) ? profile_annotation(profile, key) : NULL;
}

static gboolean promoted(const Profile *profile)
{
    return g_strcmp0(annotation(profile, ANNOTATION_STATE), "promoted") == 0;
}

static gboolean candidate(const Profile *profile)
{
    const char *state = annotation(profile, ANNOTATION_STATE);
    return !promoted(profile) && (annotation(profile, ANNOTATION_REPLACES) ||
                                  g_strcmp0(state, "trying") == 0 || g_strcmp0(state, "demoted") == 0);
}

/* The profile that a candidate names to go back to; NULL: it names none. */
static const char *replaces(const Profile *profile)
{
    const char *name = candidate(profile) ? annotation(profile, ANNOTATION_REPLACES) : NULL;
    return name && strcmp(name, "none") != 0 ? name : NULL;
}

/* Whether the device has something to do with trials: then somebody relies on it. */
static gboolean concerned(const Doctor *doctor, const Profile *profile)
{
    if (promoted(profile) || replaces(profile))
        return TRUE;
    for (guint i = 0; i < doctor->profiles->len; i++) {
        const char *name = replaces(doctor->profiles->pdata[i]);
        if (name && profile_named(profile, name))
            return TRUE;
    }
    return FALSE;
}

/* Devices at the next boot */

/* Whether NM would bring the device of `like`, which has its name, up with that profile. A port with
 * autoconnect brings its controller up. */
static gboolean brings_up(const Profile *profile, const Profile *like)
{
    NMSettingConnection *s = libnm()->connection_get_setting_connection(profile_connection(profile));
    const char *controller = libnm()->setting_connection_get_master(s);

    if (!profile->autoconnect)
        return FALSE;
    if (g_strcmp0(controller, profile_interface(like)) == 0 || g_strcmp0(controller, like->uuid) == 0)
        return TRUE;
    return profile_interface(profile) ? strcmp(profile_interface(profile), profile_interface(like)) == 0
                                      : strcmp(profile_type(profile), profile_type(like)) == 0 &&
                                            plan_fits(profile, profile_interface(like));
}

static gboolean any_brings_up(GPtrArray *profiles, const char *only, const Profile *like, const Profile *but)
{
    for (guint i = 0; i < profiles->len; i++) {
        const Profile *profile = profiles->pdata[i];
        g_autofree char *name = g_path_get_basename(profile->path);
        if (profile != but && g_str_has_prefix(name, only) && brings_up(profile, like))
            return TRUE;
    }
    return FALSE;
}

/* Whether the device of `like` has a network after a boot, other than by `but` (NULL: by any). In /run only
 * netplan's profiles are there again. */
static gboolean comes_up(const Doctor *doctor, const Profile *like, const Profile *but)
{
    g_autoptr(GPtrArray) vendors = profile_read_directory(NM_LIB_PROFILE_DIR, NULL);
    g_autoptr(GPtrArray) made = profile_read_directory(NM_RUN_PROFILE_DIR, NULL);
    return any_brings_up(doctor->profiles, "", like, but) || any_brings_up(vendors, "", like, NULL) ||
           any_brings_up(made, "netplan-", like, NULL);
}

static void examine_device(Doctor *doctor, guint first)
{
    const Profile *like = doctor->profiles->pdata[first];
    g_autoptr(GString) ids = g_string_new(NULL);
    gboolean relied_on = FALSE;

    for (guint i = 0; i < doctor->profiles->len; i++) {
        const Profile *profile = doctor->profiles->pdata[i];
        if (g_strcmp0(profile_interface(profile), profile_interface(like)) != 0)
            continue;
        if (i < first)
            return; /* the device was looked at already */
        g_string_append_printf(ids, "%s\"%s\"", ids->len ? ", " : "", profile->id);
        relied_on = relied_on || concerned(doctor, profile);
    }
    if (!comes_up(doctor, like, NULL))
        doctor_say(doctor, relied_on ? FINDING_FAILURE : FINDING_WARNING,
                   g_strdup_printf("%s is offline after a reboot: none of its stored profiles (%s) has "
                                   "autoconnect, and NetworkManager makes no automatic one beside them",
                                   profile_interface(like), ids->str),
                   g_strdup("If the device is to have a network: nmcli connection modify PROFILE "
                            "connection.autoconnect yes, with the one that is known to be good"));
}

/* Candidates */

static void examine_untested(Doctor *doctor, const Profile *profile)
{
    /* of a delivery, what is before NM sees to it */
    if (!candidate(profile) || !profile->autoconnect ||
        g_strcmp0(annotation(profile, ANNOTATION_START), "boot") == 0)
        return;
    gboolean last = profile_interface(profile) && !comes_up(doctor, profile, profile);
    doctor_say(doctor, FINDING_FAILURE,
               g_strdup_printf("\"%s\" is a candidate, not promoted, and has autoconnect: it may come up "
                               "untested at the next boot",
                               profile->id),
               g_strdup_printf("%snmcli connection modify %s connection.autoconnect no; then: nm-trial start "
                               "%s",
                               last ? "First give another profile of its device autoconnect, or the device "
                                      "is offline after a reboot. Then: "
                                    : "",
                               profile->uuid, profile->uuid));
}

/* Whether another candidate has taken that profile's place: then it is the one that is replaced next. */
static gboolean succeeded(const Doctor *doctor, const char *name)
{
    for (guint i = 0; i < doctor->profiles->len; i++) {
        const Profile *profile = doctor->profiles->pdata[i];
        if (promoted(profile) && profile->autoconnect &&
            g_strcmp0(annotation(profile, ANNOTATION_REPLACES), name) == 0)
            return TRUE;
    }
    return FALSE;
}

static void examine_replaced(Doctor *doctor, const Profile *profile)
{
    const char *name = replaces(profile);
    const Profile *replaced = NULL;

    if (!name)
        return;
    for (guint i = 0; i < doctor->profiles->len; i++)
        if (profile_named(doctor->profiles->pdata[i], name))
            replaced = doctor->profiles->pdata[i];
    const Profile *like = replaced && profile_interface(replaced) ? replaced : profile;
    if (!replaced)
        doctor_say(doctor, FINDING_WARNING,
                   g_strdup_printf("\"%s\" is to replace \"%s\", which is not stored in %s: it cannot be "
                                   "tried",
                                   profile->id, name, NM_TRIAL_PROFILE_DIR),
                   g_strdup_printf("Store that one, or name the one to go back to: nm-trial start %s "
                                   "--replace PROFILE",
                                   profile->uuid));
    else if (!replaced->autoconnect && !succeeded(doctor, name))
        doctor_say(doctor,
                   profile_interface(like) && !comes_up(doctor, like, profile) ? FINDING_FAILURE
                                                                               : FINDING_WARNING,
                   g_strdup_printf("\"%s\" is to replace \"%s\", which has no autoconnect: it is nothing to "
                                   "go back to",
                                   profile->id, replaced->id),
                   g_strdup_printf("If \"%s\" is known to be good: nmcli connection modify %s "
                                   "connection.autoconnect yes",
                                   replaced->id, replaced->uuid));
}

/* A key that is misspelt is a profile that nobody tries. */
static void examine_keys(Doctor *doctor, const Profile *profile)
{
    g_auto(GStrv) keys = profile_annotation_keys(profile);

    for (char **key = keys; *key && profile_believed(profile); key++)
        if (!options_allowed(*key + strlen(ANNOTATION_PREFIX)) && strcmp(*key, ANNOTATION_STATE) != 0 &&
            strcmp(*key, ANNOTATION_REASON) != 0)
            doctor_say(
                doctor, FINDING_FAILURE,
                g_strdup_printf("\"%s\" has the key %s, which there is not: it is not heeded", profile->id,
                                *key),
                g_strdup("See which there are: nm-trial annotate --help. Mend it in the profile's file."));
}

/* What its annotations and the device's defaults would make of its trial. */
static void examine_annotations(Doctor *doctor, const Profile *profile)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;

    if (candidate(profile) && (!options_take_profile(&options, profile, &error) ||
                               !options_complete(&options, profile_type(profile), &error)))
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("\"%s\" cannot be tried: %s", profile->id, error->message),
                   g_strdup_printf("nm-trial annotate %s KEY=VALUE", profile->uuid));
}

static void examine_defaults(Doctor *doctor)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;

    if (!options_take_file(&options, NM_TRIAL_CONF, &error) ||
        !options_complete(&options, NM_SETTING_WIRED_SETTING_NAME, &error))
        doctor_say(doctor, FINDING_FAILURE, g_strdup_printf("nothing can be tried: %s", error->message),
                   g_strdup("Mend " NM_TRIAL_CONF ", or remove it."));
}

/* Guarded profiles, and those that should be. */
static void examine_guarded(Doctor *doctor)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = good_list(NM_TRIAL_STATE_DIR, &error);

    if (error)
        doctor_say(doctor, FINDING_FAILURE,
                   g_strdup_printf("it is not known what is guarded: %s", error->message),
                   g_strdup(STORAGE_ASK_KERNEL));
    for (guint i = 0; i < list->len; i++) {
        const Good *good = list->pdata[i];
        g_autoptr(Profile) known = good_profile(good);
        const Profile *now = profile_by_uuid(doctor->profiles, good->uuid);
        if (known && !now)
            doctor_say(doctor, FINDING_WARNING,
                       g_strdup_printf("the guarded profile \"%s\" was removed: the next boot puts it back",
                                       known->id),
                       g_strdup_printf(
                           "To have it back now: nm-trial boot && nmcli connection reload. If it is to be "
                           "gone: nm-trial guard %s --off",
                           good->uuid));
        else if (known && !profile_same(now, known))
            doctor_say(
                doctor, FINDING_WARNING,
                g_strdup_printf(
                    "the guarded profile \"%s\" was changed since it was known good: the next boot "
                    "puts it back, and tries the change",
                    known->id),
                g_strdup_printf("To try it now: nmcli connection up %s. To keep it untried: nm-trial guard "
                                "%s --off",
                                good->uuid, good->uuid));
    }
    for (guint i = 0; i < doctor->profiles->len; i++) {
        const Profile *profile = doctor->profiles->pdata[i];
        const Good *good = good_of(list, profile->path, profile->uuid);
        if (profile_asks_guard(profile) && !(good && good->content))
            doctor_say(doctor, FINDING_WARNING,
                       g_strdup_printf("\"%s\" says that it is guarded, and nothing is known good of it yet",
                                       profile->id),
                       g_strdup_printf("It is guarded once it is activated. At once: nm-trial guard %s",
                                       profile->uuid));
    }
}

static void examine_skipped(Doctor *doctor)
{
    for (guint i = 0; i < doctor->skipped->len; i++) {
        const struct profile_skipped *entry = doctor->skipped->pdata[i];
        doctor_say(doctor, entry->unreadable ? FINDING_FAILURE : FINDING_WARNING,
                   g_strdup_printf("not usable: %s", entry->why),
                   g_strdup(entry->unreadable
                                ? "The disk may be failing: dmesg"
                                : "NetworkManager needs a complete keyfile there, owned by root, mode 0600; "
                                  "a trial one that is no symbolic link. Mend it, or move it elsewhere."));
    }
}

void doctor_profiles(Doctor *doctor)
{
    guint before = doctor->findings->len;

    for (guint i = 0; i < doctor->profiles->len; i++) {
        const Profile *profile = doctor->profiles->pdata[i];
        examine_untested(doctor, profile);
        examine_replaced(doctor, profile);
        examine_keys(doctor, profile);
        examine_annotations(doctor, profile);
        if (profile_interface(profile))
            examine_device(doctor, i);
    }
    examine_guarded(doctor);
    examine_defaults(doctor);
    examine_skipped(doctor);
    doctor_say_well(doctor, before,
                    g_strdup_printf("%u stored; every device that has one comes up at the next boot",
                                    doctor->profiles->len));
}
