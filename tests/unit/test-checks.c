/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the checks' answers are worth, without a network; with one: tests/integration. */
#include "checks.h"

#define LIMIT_MS 3000

static void test_names(void)
{
    g_assert_true(checks_known("nm"));
    g_assert_true(checks_known("gateway"));
    g_assert_true(checks_known("none"));
    g_assert_false(checks_known(""));
    g_assert_true(checks_known("my-HTTP_2")); /* whether there is such a file is another question */
    g_assert_false(checks_known("../nm"));
    g_assert_false(checks_known("nm.sh"));
    g_assert_false(checks_known("n m"));
    g_assert_false(checks_known("b\xc3\xbcro"));
}

static GVariant *parse(const char *text)
{
    return g_variant_ref_sink(g_variant_new_parsed(text));
}

static void test_families(void)
{
    static const struct {
        const char *settings;
        guint enabled;
        guint required;
    } cases[] = {
        {"@a{sa{sv}} {}", 0, 0},
        {"{'ipv4': {'method': <'auto'>}}", CHECKS_IPV4, 0},
        {"{'ipv4': {'method': <'auto'>, 'may-fail': <true>}}", CHECKS_IPV4, 0},
        {"{'ipv4': {'method': <'manual'>, 'may-fail': <false>}}", CHECKS_IPV4, CHECKS_IPV4},
        {"{'ipv4': {'method': <'auto'>, 'may-fail': <false>}, 'ipv6': {'method': <'auto'>}}",
         CHECKS_IPV4 | CHECKS_IPV6, CHECKS_IPV4},
        {"{'ipv4': {'method': <'auto'>, 'may-fail': <false>}, 'ipv6': {'method': <'dhcp'>, 'may-fail': "
         "<false>}}",
         CHECKS_IPV4 | CHECKS_IPV6, CHECKS_IPV4 | CHECKS_IPV6},
        {"{'ipv4': {'method': <'disabled'>}, 'ipv6': {'method': <'auto'>}}", CHECKS_IPV6, 0},
        {"{'ipv4': {'method': <'disabled'>, 'may-fail': <false>}, 'ipv6': {'method': <'ignore'>}}", 0, 0},
        {"{'ipv4': {'method': <'link-local'>, 'may-fail': <false>}}", 0, 0},
        {"{'ipv4': {'method': <'shared'>, 'may-fail': <false>}}", 0, 0},
        {"{'ipv6': {'method': <'link-local'>}}", 0, 0},
        {"{'ipv4': {'method': <'auto'>, 'may-fail': <false>, 'never-default': <true>}}", CHECKS_IPV4, 0},
        {"{'ipv4': {'method': <1>}, 'ipv6': {'may-fail': <false>}}", 0, 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GVariant) settings = parse(cases[i].settings);
        struct checks_families families = checks_families_of(settings);

        g_test_message("%s", cases[i].settings);
        g_assert_cmpuint(families.enabled, ==, cases[i].enabled);
        g_assert_cmpuint(families.required, ==, cases[i].required);
    }
}

/* Every combination: what is good but neither required nor enabled never helps, and nothing is never enough.
 */
static void test_pass(void)
{
    const guint both = CHECKS_IPV4 | CHECKS_IPV6;

    for (guint enabled = 0; enabled <= both; enabled++)
        for (guint required = 0; required <= both; required++)
            for (guint good = 0; good <= both; good++) {
                struct checks_families families = {.enabled = enabled, .required = required & enabled};
                guint needed = families.required;
                gboolean expected = needed ? (good & needed) == needed : (good & enabled) != 0;

                g_assert_cmpint(checks_families_pass(&families, good), ==, expected);
                if (!(good & enabled))
                    g_assert_false(checks_families_pass(&families, good));
            }
}

static void believe(const char *text, gboolean expected, gboolean expected_http, const char *expected_why)
{
    g_autoptr(GVariant) properties = parse(text);
    g_autofree char *why = NULL;
    gboolean http = -1;

    g_assert_cmpint(checks_nm_believe(properties, &http, &why), ==, expected);
    if (expected) {
        g_assert_cmpint(http, ==, expected_http);
        g_assert_null(why);
    } else {
        g_assert_nonnull(strstr(why, "[connectivity]"));
        g_assert_nonnull(strstr(why, expected_why));
        g_assert_null(strchr(why, '\n'));
    }
}

static void test_believe(void)
{
#define PROPERTIES(available, enabled, uri)                                                                  \
    "{'ConnectivityCheckAvailable': <" available ">, 'ConnectivityCheckEnabled': <" enabled                  \
    ">, 'ConnectivityCheckUri': <'" uri "'>}"
    believe(PROPERTIES("true", "true", "http://nm.example/"), TRUE, TRUE, NULL);
    believe(PROPERTIES("true", "true", "HTTPS://nm.example/"), TRUE, FALSE, NULL);
    believe(PROPERTIES("true", "false", "http://nm.example/"), FALSE, FALSE, "enabled=");
    believe(PROPERTIES("true", "true", ""), FALSE, FALSE, "uri=");
    believe(PROPERTIES("false", "true", "http://nm.example/"), FALSE, FALSE, "uri=");
    believe("@a{sv} {}", FALSE, FALSE, "uri=");
#undef PROPERTIES
}

static Record *trial_of(const char *const *names, const char *const *devices)
{
    Record *record = record_new();

    g_strfreev(record->checks);
    record->checks = g_strdupv((char **)names);
    for (int i = 0; devices[i]; i++, record->trial.n_pairs++) {
        record->pair[i].device = g_strdup(devices[i]);
        record->pair[i].judged = TRUE;
    }
    return record;
}

static void test_unknown_check(void)
{
    const char *const names[] = {"no/pe", "none", NULL};
    const char *const devices[] = {"eth0", "eth1", NULL};
    g_autoptr(Record) record = trial_of(names, devices);
    g_autoptr(GPtrArray) results = checks_run(NULL, record);

    g_assert_cmpuint(results->len, ==, 4);
    for (guint i = 0; i < results->len; i++) {
        const struct check_result *result = g_ptr_array_index(results, i);

        g_assert_cmpstr(result->name, ==, names[i / 2]);
        g_assert_cmpstr(result->device, ==, devices[i % 2]);
        g_assert_false(result->passing);
        g_assert_nonnull(result->output);
    }
}

static void test_nothing_to_run(void)
{
    g_autoptr(Record) record = record_new();
    g_autoptr(GPtrArray) results = checks_run(NULL, record);

    g_assert_cmpuint(results->len, ==, 0);
}

static void on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)source;
    g_assert_null(checks_run_finish(result, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_main_loop_quit(data);
}

static Bus *connect_to(GTestDBus *daemon)
{
    g_test_dbus_up(daemon);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(daemon), TRUE);
    Bus *bus = bus_open(LIMIT_MS);
    g_assert_nonnull(bus);
    return bus;
}

/* A bus without NetworkManager: at once not passing, never an error; and a run can be cancelled. */
static void test_no_network_manager(void)
{
    const char *const names[] = {"nm", "gateway", "own", NULL};
    const char *const devices[] = {"eth0", NULL};
    g_autofree char *daemon_program = g_find_program_in_path("dbus-daemon");
    g_autofree char *why = NULL;

    if (!daemon_program) {
        g_test_skip("no dbus-daemon");
        return;
    }
    g_autoptr(GTestDBus) daemon = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_autoptr(Bus) bus = connect_to(daemon);
    g_autoptr(Record) record = trial_of(names, devices);
    Bus *const buses[] = {bus, NULL}; /* not even a bus */
    for (gsize i = 0; i < G_N_ELEMENTS(buses); i++) {
        g_autoptr(GPtrArray) results = checks_run(buses[i], record);
        g_assert_cmpuint(results->len, ==, 3);
        for (guint j = 0; j < results->len; j++)
            g_assert_false(((struct check_result *)g_ptr_array_index(results, j))->passing);
    }
    g_assert_false(checks_nm_believable(bus, NULL, &why));
    g_assert_nonnull(why);

    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    checks_run_async(bus, record, cancellable, on_run, loop);
    g_cancellable_cancel(cancellable);
    g_main_loop_run(loop);
    g_clear_pointer(&bus, bus_unref);
    g_test_dbus_down(daemon);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/checks/names", test_names);
    g_test_add_func("/checks/families", test_families);
    g_test_add_func("/checks/pass", test_pass);
    g_test_add_func("/checks/believe", test_believe);
    g_test_add_func("/checks/unknown-check", test_unknown_check);
    g_test_add_func("/checks/nothing-to-run", test_nothing_to_run);
    g_test_add_func("/checks/no-network-manager", test_no_network_manager);
    return g_test_run();
}
