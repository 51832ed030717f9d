/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of the command line and of annotations, and nm-trial.conf. Each line is "SKEY=VALUE": S is '-'
 * for the command line, '.' for the profile, '=' for the device; what is behind an empty line is
 * nm-trial.conf. What is taken in the end is a trial that can pass: its times in their ranges, hold below the
 * timeout, its checks known. The strongest source wins, in whatever order they come. */
#include "fuzz.h"

#include "checks.h"
#include "duration.h"
#include "options.h"
#include "plan.h"
#include "scratch.h"

#include <string.h>

static enum option_source source_of(char letter)
{
    return letter == '-' ? OPTION_BY_COMMAND : letter == '.' ? OPTION_BY_PROFILE : OPTION_BY_DEVICE;
}

static void assert_told(gboolean done, const GError *error, enum option_source source)
{
    int code = source == OPTION_BY_COMMAND ? EXIT_USAGE : EXIT_REFUSED;
    g_assert_true(done == (error == NULL));
    if (error)
        g_assert_error(error, PLAN_ERROR, code);
}

/* What the sources have said of the timeout: the strongest one's last word holds. */
struct heard {
    gint64 timeout_ms[OPTION_BY_COMMAND + 1];
};

static void assert_heard(const struct heard *heard, const Options *options)
{
    int source = OPTION_BY_COMMAND;
    while (source > OPTION_BY_DEFAULT && !heard->timeout_ms[source])
        source--;
    if (source > OPTION_BY_DEFAULT)
        g_assert_cmpint(options->timeout_ms, ==, heard->timeout_ms[source]);
    g_assert_cmpint(options->source[OPTION_TIMEOUT], ==, source);
}

/* FALSE: it is refused. */
static gboolean take_word(Options *options, struct heard *heard, char *word)
{
    enum option_source source = source_of(*word);
    char *name = *word ? word + 1 : word, *equals = strchr(name, '=');
    g_autoptr(GError) error = NULL;

    if (!equals)
        return TRUE;
    *equals = '\0';
    if (source == OPTION_BY_COMMAND &&
        (strcmp(name, "replaces") == 0 || strcmp(name, "start") == 0 || strcmp(name, "guard") == 0))
        return TRUE; /* the command line has no such word for the whole trial */
    gboolean done = options_set(options, source, name, equals + 1, &error);
    assert_told(done, error, source);
    if (done && strcmp(name, "timeout") == 0)
        g_assert_true(duration_parse("", equals + 1, &heard->timeout_ms[source], NULL));
    return done;
}

static void assert_can_pass(const Options *options)
{
    g_assert_cmpint(options->timeout_ms, >=, 1000);
    g_assert_cmpint(options->timeout_ms, <=, DURATION_MAX_MS);
    g_assert_cmpint(options->hold_ms, >, 0);
    g_assert_cmpint(options->hold_ms, <, options->timeout_ms);
    if (!options->checks)
        return;
    g_assert_cmpuint(g_strv_length(options->checks), >, 0);
    for (char **name = options->checks; *name; name++) {
        g_assert_true(checks_known(*name));
        g_assert_null(strchr(*name, '/')); /* an own check's is a file's name */
        if (strcmp(*name, "none") == 0)
            g_assert_true(options->manual && !options->checks[1] && name == options->checks);
    }
}

static gboolean take_file(Options *options, const char *text, gsize length)
{
    g_autoptr(Scratch) directory = scratch_new();
    g_autofree char *path = g_build_filename(directory, "nm-trial.conf", NULL);
    g_autoptr(GError) error = NULL;

    fuzz_put(path, text, length);
    gboolean done = options_take_file(options, path, &error);
    assert_told(done, error, OPTION_BY_DEVICE);
    return done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    g_auto(Options) options = {0};
    struct heard heard = {{0}};
    g_autoptr(GError) error = NULL;
    const char *type = size & 1 ? "gsm" : "802-3-ethernet";
    gboolean refused = FALSE;

    while (in.left > 0 && !refused) {
        g_autofree char *word = fuzz_line(&in);
        if (!*word)
            break;
        refused = !take_word(&options, &heard, word);
    }
    if (refused)
        return 0; /* as every caller does */
    assert_heard(&heard, &options);
    if (in.left > 0 && !take_file(&options, (const char *)in.at, in.left))
        return 0;
    gboolean done = options_complete(&options, type, &error);
    g_assert_true(done == (error == NULL));
    if (done)
        assert_can_pass(&options);
    return 0;
}
