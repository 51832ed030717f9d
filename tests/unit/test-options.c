/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a trial is asked to be, from three sources with one table of words. */
#include "disk.h"
#include "names.h"
#include "options.h"
#include "plan.h"
#include "scratch.h"
#include "verbs.h"

#include <glib/gstdio.h>

static void test_every_key_takes_what_it_allows(void)
{
    const struct {
        const char *name, *good, *bad;
    } cases[] = {
        {"timeout", "90", "0"},
        {"timeout", "10m", "25h"},
        {"hold", "5s", "soon"},
        {"confirm", "manual", "AUTO"},
        {"checks", "nm;gateway;", "x/y"},
        {"checks", "none", ""},
        {"checks", "my-http;nm", "../nm"},
        {"checks", "nm", "nm;;nm"},
        {"fallback", "yes", "maybe"},
        {"fallback", "false", ""},
        {"start", "boot", "down"},
        {"start", "manual", "Up"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Options) options = {0};
        g_autoptr(GError) error = NULL;
        g_assert_true(options_set(&options, OPTION_BY_PROFILE, cases[i].name, cases[i].good, &error));
        g_assert_no_error(error);
        g_assert_false(options_set(&options, OPTION_BY_PROFILE, cases[i].name, cases[i].bad, &error));
        g_assert_error(error, PLAN_ERROR, EXIT_REFUSED);
        g_assert_nonnull(strstr(error->message, cases[i].name)); /* which key */
        g_assert_nonnull(strstr(error->message, options_allowed(cases[i].name)));
    }
}

static void test_a_wrong_word_of_the_command_line_is_a_wrong_use(void)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;
    g_assert_false(options_set(&options, OPTION_BY_COMMAND, "timeout", "soon\n\033[31m", &error));
    g_assert_error(error, PLAN_ERROR, EXIT_USAGE);
    g_assert_nonnull(strstr(error->message, "--timeout"));
    g_assert_null(strchr(error->message, '\033'));
}

static void test_the_nearer_source_wins_in_any_order(void)
{
    static const enum option_source orders[][3] = {
        {OPTION_BY_COMMAND, OPTION_BY_PROFILE, OPTION_BY_DEVICE},
        {OPTION_BY_DEVICE, OPTION_BY_PROFILE, OPTION_BY_COMMAND},
        {OPTION_BY_PROFILE, OPTION_BY_COMMAND, OPTION_BY_DEVICE},
    };
    static const char *const values[] = {
        [OPTION_BY_DEVICE] = "1m", [OPTION_BY_PROFILE] = "2m", [OPTION_BY_COMMAND] = "3m"};
    for (gsize i = 0; i < G_N_ELEMENTS(orders); i++) {
        g_auto(Options) options = {0};
        for (gsize j = 0; j < 3; j++)
            g_assert_true(options_set(&options, orders[i][j], "timeout", values[orders[i][j]], NULL));
        g_assert_cmpint(options.timeout_ms, ==, 180000);
    }
}

static void test_defaults(void)
{
    const struct {
        const char *confirm, *timeout, *type;
        gint64 timeout_s, hold_s;
    } cases[] = {
        {NULL, NULL, "802-3-ethernet", 120, 10},
        {"manual", NULL, "802-3-ethernet", 600, 10},
        {NULL, NULL, "gsm", 300, 10},
        {"manual", NULL, "gsm", 600, 10},
        {NULL, "8s", "802-3-ethernet", 8, 4},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Options) options = {0};
        if (cases[i].confirm)
            g_assert_true(options_set(&options, OPTION_BY_COMMAND, "confirm", cases[i].confirm, NULL));
        if (cases[i].timeout)
            g_assert_true(options_set(&options, OPTION_BY_COMMAND, "timeout", cases[i].timeout, NULL));
        g_assert_true(options_complete(&options, cases[i].type, NULL));
        g_assert_cmpint(options.timeout_ms, ==, cases[i].timeout_s * 1000);
        g_assert_cmpint(options.hold_ms, ==, cases[i].hold_s * 1000);
    }
}

static void test_a_hold_must_fit_its_timeout(void)
{
    const struct {
        enum option_source hold, timeout; /* OPTION_BY_DEFAULT: not given */
        gint64 hold_s;                    /* 0: refused */
        int code;
    } cases[] = {
        {OPTION_BY_COMMAND, OPTION_BY_COMMAND, 0, EXIT_USAGE},
        {OPTION_BY_COMMAND, OPTION_BY_PROFILE, 0, EXIT_USAGE},
        {OPTION_BY_PROFILE, OPTION_BY_PROFILE, 0, EXIT_REFUSED},
        {OPTION_BY_PROFILE, OPTION_BY_COMMAND, 10, 0}, /* somebody is in a hurry now */
        {OPTION_BY_DEVICE, OPTION_BY_PROFILE, 10, 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Options) options = {0};
        g_autoptr(GError) error = NULL;
        g_assert_true(options_set(&options, cases[i].hold, "hold", "30s", NULL));
        g_assert_true(options_set(&options, cases[i].timeout, "timeout", "20s", NULL));
        g_assert_cmpint(options_complete(&options, "802-3-ethernet", &error), ==, cases[i].code == 0);
        if (cases[i].code)
            g_assert_error(error, PLAN_ERROR, cases[i].code);
        else
            g_assert_cmpint(options.hold_ms, ==, cases[i].hold_s * 1000);
    }
}

static void test_check_none_stands_alone_and_needs_a_person(void)
{
    const struct {
        const char *checks, *confirm;
        gboolean fine;
    } cases[] = {{"none", "manual", TRUE}, {"none", "auto", FALSE}, {"none;nm", "manual", FALSE}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Options) options = {0};
        g_assert_true(options_set(&options, OPTION_BY_PROFILE, "checks", cases[i].checks, NULL));
        g_assert_true(options_set(&options, OPTION_BY_DEVICE, "confirm", cases[i].confirm, NULL));
        g_assert_cmpint(options_complete(&options, "802-3-ethernet", NULL), ==, cases[i].fine);
    }
}

static void test_a_check_of_ones_own_must_be_there(void)
{
    static const enum option_source sources[] = {OPTION_BY_DEVICE, OPTION_BY_PROFILE, OPTION_BY_COMMAND};
    static const char *const labels[] = {"checks of nm-trial.conf no-such", "nm-trial.checks no-such",
                                         "--check no-such"};
    for (gsize i = 0; i < G_N_ELEMENTS(sources); i++) {
        g_auto(Options) options = {0};
        g_autoptr(GError) error = NULL;
        g_assert_true(options_set(&options, sources[i], "checks", "nm;no-such-check", NULL));
        g_assert_false(options_complete(&options, "802-3-ethernet", &error));
        g_assert_error(error, PLAN_ERROR, EXIT_REFUSED);
        g_assert_true(g_str_has_prefix(error->message, labels[i])); /* who asks for it */
        g_assert_nonnull(strstr(error->message, NM_TRIAL_CHECK_DIR "/no-such-check"));
    }
    /* one that nobody will run does not matter */
    g_auto(Options) options = {0};
    g_assert_true(options_set(&options, OPTION_BY_COMMAND, "checks", "nm", NULL));
    g_assert_true(options_set(&options, OPTION_BY_DEVICE, "checks", "no-such-check", NULL));
    g_assert_true(options_complete(&options, "802-3-ethernet", NULL));
}

static void test_the_devices_file(void)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch, "nm-trial.conf", NULL);
    const struct {
        const char *text;
        int mode;
        gboolean fine;
    } cases[] = {
        {"# ours\n[trial]\ntimeout=3m\nchecks=gateway\n", 0644, TRUE},
        {"", 0644, TRUE},
        {"[trial]\ntimeout=3m\n", 0664, FALSE}, /* whose is it? */
        {"[trial]\ntimeout=soon\n", 0644, FALSE},
        {"[trial]\ntimout=3m\n", 0644, FALSE},
        {"[trial]\nreplaces=lan\n", 0644, FALSE}, /* of one candidate, not of a device */
        {"[tryal]\ntimeout=3m\n", 0644, FALSE},
        {"timeout=3m\n", 0644, FALSE},
    };
    g_auto(Options) none = {0};
    g_assert_true(options_take_file(&none, path, NULL)); /* there need not be one */
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Options) options = {0};
        g_autoptr(GError) error = NULL;
        g_free(scratch_put(scratch, "nm-trial.conf", cases[i].text));
        g_assert_cmpint(g_chmod(path, cases[i].mode), ==, 0);
        g_assert_cmpint(options_take_file(&options, path, &error), ==, cases[i].fine);
        if (!cases[i].fine)
            g_assert_nonnull(strstr(error->message, path));
    }
}

/* A file that is wrong is refused; a disk that fails may be better later, so nothing is refused for good. */
static void test_the_devices_file_cannot_be_read(void)
{
    g_autoptr(Scratch) scratch = scratch_new();
    g_autofree char *path = scratch_put(scratch, "nm-trial.conf", "[trial]\ntimeout=3m\n");

    for (int n = 1;; n++) {
        g_auto(Options) options = {0};
        g_autoptr(GError) error = NULL;
        disk_watch();
        disk.fail_at = n;
        gboolean done = options_take_file(&options, path, &error);
        int calls = disk.calls;
        disk_unwatch();
        if (done) {
            g_assert_cmpint(n, >, 3); /* openat, fstat, read */
            break;
        }
        g_assert_cmpint(calls, >=, n);
        g_assert_error(error, PLAN_ERROR, EXIT_FAILED);
        g_assert_nonnull(strstr(error->message, path));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/options/keys", test_every_key_takes_what_it_allows);
    g_test_add_func("/options/usage", test_a_wrong_word_of_the_command_line_is_a_wrong_use);
    g_test_add_func("/options/nearer-wins", test_the_nearer_source_wins_in_any_order);
    g_test_add_func("/options/defaults", test_defaults);
    g_test_add_func("/options/hold", test_a_hold_must_fit_its_timeout);
    g_test_add_func("/options/none", test_check_none_stands_alone_and_needs_a_person);
    g_test_add_func("/options/own-check", test_a_check_of_ones_own_must_be_there);
    g_test_add_func("/options/file", test_the_devices_file);
    g_test_add_func("/options/file-fails", test_the_devices_file_cannot_be_read);
    return g_test_run();
}
