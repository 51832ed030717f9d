/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dispatcher's words. A file in the directory of events, its name and its text any bytes, is an event
 * only with a UUID and an interface's name; and what `nm-trial event` would take as words comes back as it
 * was. */
#include "fuzz.h"

#include "event.h"
#include "names.h"
#include "scratch.h"

#include <NetworkManager.h>
#include <string.h>

static void assert_usable(const Event *event)
{
    g_assert_true(nm_utils_is_uuid(event->uuid)); /* which is a file's name, too */
    g_assert_null(strchr(event->uuid, '/'));
    g_assert_cmpuint(strlen(event->interface), >, 0);
    g_assert_cmpuint(strlen(event->interface), <, 16); /* IFNAMSIZ */
    g_assert_null(strpbrk(event->interface, "/: \t\n\v\f\r\240"));
    g_assert_true(strcmp(event->interface, ".") != 0 && strcmp(event->interface, "..") != 0);
}

static void as_files(const Scratch *run, const char *name, const char *text, gsize length)
{
    g_autofree char *directory = g_build_filename(run, NM_TRIAL_EVENTS, NULL);
    g_autofree char *path = g_build_filename(directory, name, NULL);

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    if (*name == '\0' || strlen(name) > 255 || strchr(name, '/') || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return; /* no file has that name */
    fuzz_put(path, text, length);
    g_autoptr(GPtrArray) events = event_list(run);
    g_assert_cmpuint(events->len, <=, 1);
    for (guint i = 0; i < events->len; i++) {
        assert_usable(events->pdata[i]);
        event_forget(run, ((const Event *)events->pdata[i])->uuid);
    }
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS) == (events->len == 0));
}

static void as_words(const Scratch *run, const char *uuid, const char *interface, gboolean again)
{
    g_autoptr(GError) error = NULL;

    /* what only the kernel takes for a space is no name to us */
    if (!nm_utils_is_valid_iface_name(interface, NULL) || strpbrk(interface, "\v\240:") ||
        !nm_utils_is_uuid(uuid))
        return;
    g_assert_true(event_post(run, uuid, interface, again, &error));
    g_assert_true(event_post(run, uuid, "other0", TRUE, &error)); /* takes no other's place */
    g_autoptr(GPtrArray) events = event_list(run);
    g_assert_cmpuint(events->len, ==, 1);
    const Event *event = events->pdata[0];
    assert_usable(event);
    g_assert_cmpstr(event->uuid, ==, uuid);
    g_assert_cmpstr(event->interface, ==, interface);
    g_assert_true(event->again == again);
    event_forget(run, uuid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    gboolean again = fuzz_byte(&in) & 1;
    g_autofree char *name = fuzz_line(&in);
    g_autofree char *text = fuzz_rest(&in);
    g_autoptr(Scratch) run = scratch_new();

    as_files(run, name, (const char *)in.at, in.left);
    g_autoptr(Scratch) other = scratch_new();
    as_words(other, name, text, again);
    return 0;
}
