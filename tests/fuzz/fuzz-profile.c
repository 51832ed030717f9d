/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A profile's file, and its flags. The first byte says what is changed. The changed file is read again, has
 * the flags, means the same but for them to libnm and to GKeyFile, and every line that is not one of theirs
 * stays byte for byte. A file whose flags could be set once can be set again: else a candidate could start a
 * trial and not end it. */
#include "fuzz.h"

#include "profile.h"

#include <string.h>

#define PATH "/etc/NetworkManager/system-connections/x.nmconnection"

static const char *const ours[] = {KEY_AUTOCONNECT, KEY_PRIORITY, ANNOTATION_STATE, ANNOTATION_REASON};

static gboolean is_ours(const char *key)
{
    for (gsize i = 0; i < G_N_ELEMENTS(ours); i++)
        if (strcmp(key, ours[i]) == 0)
            return TRUE;
    return FALSE;
}

/* The lines of the file, without those that may be of our keys (whichever group they stand in: what GKeyFile
 * makes of them is compared, too). */
static GPtrArray *other_lines(const char *data, gsize length)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    const char *end = data + length;

    while (data < end) {
        const char *newline = memchr(data, '\n', (gsize)(end - data)), *next = newline ? newline + 1 : end;
        g_autofree char *text = g_strndup(data, (gsize)((newline ? newline : end) - data));
        g_auto(GStrv) halves = g_strsplit(text, "=", 2);
        if (!halves[0] || !halves[1] || !is_ours(g_strstrip(halves[0])))
            g_ptr_array_add(lines, g_bytes_new(data, (gsize)((newline ? newline : end) - data)));
        data = next;
    }
    return lines;
}

static gboolean is_new_group(GBytes *line)
{
    static const char *const allowed[] = {"", "\r", "[user]", "[user]\r"};
    gboolean found = FALSE;

    for (gsize i = 0; !found && i < G_N_ELEMENTS(allowed); i++) {
        g_autoptr(GBytes) other = g_bytes_new_static(allowed[i], strlen(allowed[i]));
        found = g_bytes_equal(line, other);
    }
    return found;
}

static gboolean is_ended(GBytes *line, GBytes *ended)
{
    gsize size = g_bytes_get_size(ended);
    const char *data = g_bytes_get_data(ended, NULL);
    g_autoptr(GBytes) before = size > 0 && data[size - 1] == '\r' ? g_bytes_new(data, size - 1) : NULL;
    return before && g_bytes_equal(line, before);
}

/* Byte for byte, but for a [user] that is new at the end, and the end of a last line that had none. */
static void assert_lines(const Profile *before, const Profile *after)
{
    g_autoptr(GPtrArray) a = other_lines(before->data, before->length);
    g_autoptr(GPtrArray) b = other_lines(after->data, after->length);

    g_assert_cmpuint(a->len, <=, b->len);
    for (guint i = 0; i < b->len; i++)
        if (i >= a->len)
            g_assert_true(is_new_group(b->pdata[i]));
        else if (i + 1 < a->len || !is_ended(a->pdata[i], b->pdata[i]))
            g_assert_true(g_bytes_equal(a->pdata[i], b->pdata[i]));
}

static GKeyFile *keyfile_of(const Profile *profile)
{
    GKeyFile *file = g_key_file_new();
    g_assert_true(g_key_file_load_from_data(file, profile->data, profile->length, G_KEY_FILE_NONE, NULL));
    return file;
}

/* Every key of `a` that is not ours is in `b`, with the same value. */
static void assert_within(const Profile *a, const Profile *b)
{
    g_autoptr(GKeyFile) in = keyfile_of(a), other = keyfile_of(b);
    g_auto(GStrv) groups = g_key_file_get_groups(in, NULL);

    for (char **group = groups; *group; group++) {
        g_auto(GStrv) keys = g_key_file_get_keys(in, *group, NULL, NULL);
        gboolean may_be_new = strcmp(*group, GROUP_CONNECTION) == 0 || strcmp(*group, GROUP_USER) == 0;
        for (char **key = keys; key && *key; key++) {
            g_autofree char *value = g_key_file_get_value(in, *group, *key, NULL);
            g_autofree char *its = g_key_file_get_value(other, *group, *key, NULL);
            if (!may_be_new || !is_ours(*key))
                g_assert_cmpstr(value, ==, its);
        }
    }
}

/* Read without libnm, where that is possible, it is the same. */
static void assert_plain(const Profile *profile, const Profile *like)
{
    const Profile *const list[] = {like, NULL};
    g_autofree char *copy = g_memdup(profile->data, profile->length + 1);
    g_autoptr(Profile) plain = profile_parse_like(PATH, g_steal_pointer(&copy), profile->length, list, NULL);
    g_auto(GStrv) keys = profile_annotation_keys(profile), its = NULL;

    g_assert_nonnull(plain);
    g_assert_cmpstr(plain->uuid, ==, profile->uuid);
    g_assert_cmpstr(plain->id, ==, profile->id);
    g_assert_cmpint(plain->autoconnect, ==, profile->autoconnect);
    g_assert_cmpint(plain->priority, ==, profile->priority);
    its = profile_annotation_keys(plain);
    g_assert_true(g_strv_equal((const char *const *)keys, (const char *const *)its));
    for (char **key = keys; *key; key++)
        g_assert_cmpstr(profile_annotation(plain, *key), ==, profile_annotation(profile, *key));
    g_assert_true(profile_same(plain, profile));
}

/* What a change has made of `before`; NULL: it was refused. */
static Profile *changed(const Profile *before, char *text, gsize length, const GError *error)
{
    g_autofree char *owned = text;

    g_assert_true((text == NULL) == (error != NULL));
    if (!text)
        return NULL;
    g_autoptr(GError) failure = NULL;
    g_autofree char *copy = g_memdup(text, length + 1); /* g_strndup() would stop at a NUL */
    Profile *after = profile_parse(PATH, g_steal_pointer(&copy), length, &failure);
    g_assert_no_error(failure);
    g_assert_true(profile_same(before, after) && profile_same(after, before));
    assert_plain(after, before);
    assert_lines(before, after);
    assert_within(before, after);
    assert_within(after, before);
    return after;
}

static Profile *with_flags(const Profile *before, const struct profile_flags *flags)
{
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    char *text = profile_with_flags(before, flags, &length, &error);
    Profile *after = changed(before, text, length, error);

    if (!after)
        return NULL;
    g_assert_true(after->autoconnect == flags->autoconnect);
    if (flags->priority != PROFILE_KEEP_PRIORITY)
        g_assert_cmpint(after->priority, >=, flags->priority);
    else
        g_assert_cmpint(after->priority, ==, before->priority);
    if (flags->state && *flags->state)
        g_assert_cmpstr(profile_annotation(after, ANNOTATION_STATE), ==, flags->state);
    else if (flags->state)
        g_assert_null(profile_annotation(after, ANNOTATION_STATE));
    return after;
}

/* As a trial does: off and trying; then promoted, or demoted. */
static void as_candidate(const Profile *profile)
{
    const struct profile_flags trying = {FALSE, PROFILE_KEEP_PRIORITY, "trying", NULL};
    const struct profile_flags demoted = {FALSE, PROFILE_KEEP_PRIORITY, "demoted", "record-lost"};
    const struct profile_flags promoted = {TRUE, 7, "promoted", "checks-passed"};
    g_autoptr(Profile) on_trial = with_flags(profile, &trying);

    if (!on_trial)
        return;
    g_assert_cmpint(profile_flags_state(on_trial, 7), ==, FLAGS_TRYING);
    g_autoptr(Profile) bad = with_flags(on_trial, &demoted);
    g_assert_nonnull(bad);
    g_assert_cmpint(profile_flags_state(bad, 7), ==, FLAGS_DEMOTED);
    g_autoptr(Profile) good = with_flags(on_trial, &promoted);
    g_assert_nonnull(good);
    g_assert_cmpint(profile_flags_state(good, 7), ==, FLAGS_PROMOTED);
}

/* As a trial does with what it replaces: off, on again. */
static void as_replaced(const Profile *profile)
{
    const struct profile_flags off = {FALSE, PROFILE_KEEP_PRIORITY, NULL, NULL};
    const struct profile_flags on = {TRUE, PROFILE_KEEP_PRIORITY, PROFILE_NO_STATE, NULL};
    g_autoptr(Profile) retired = with_flags(profile, &off);

    if (!retired)
        return;
    g_autoptr(Profile) restored = with_flags(retired, &on);
    g_assert_nonnull(restored);
}

static void as_annotated(const Profile *profile, const char *value)
{
    const struct profile_annotation list[] = {{ANNOTATION_REASON, value}, {ANNOTATION_STATE, NULL}};
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    char *text = profile_with_annotations(profile, list, G_N_ELEMENTS(list), &length, &error);
    g_autoptr(Profile) after = changed(profile, text, length, error);

    if (after) {
        g_assert_cmpstr(profile_annotation(after, ANNOTATION_REASON), ==, value);
        g_assert_null(profile_annotation(after, ANNOTATION_STATE));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    uint8_t what = fuzz_byte(&in);
    g_autofree char *value = what & 4 ? fuzz_line(&in) : NULL;
    g_autofree char *text = g_malloc0(in.left + 1);
    g_autoptr(GError) error = NULL;

    if (in.left > 0)
        memcpy(text, in.at, in.left);
    g_autoptr(Profile) profile = profile_parse(PATH, g_steal_pointer(&text), in.left, &error);
    g_assert_true((profile == NULL) == (error != NULL));
    if (!profile)
        return 0;
    g_assert_true(profile->uuid && profile->id && *profile_type(profile));
    g_assert_cmpint(ABS(profile->priority), <=, 999);
    g_assert_true(profile_same(profile, profile));
    assert_plain(profile, profile);
    g_assert_true(profile_named(profile, profile->uuid));
    if (what & 1)
        as_candidate(profile);
    if (what & 2)
        as_replaced(profile);
    if (what & 4)
        as_annotated(profile, value);
    return 0;
}
