/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said on the bus is what was to be said: values of each kind, put into a message and read back. */
#include "message.h"

static void assert_same(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = g_variant_parse(NULL, text, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) back = message_through(value);
    g_test_message("%s", text);
    g_assert_nonnull(back);
    g_assert_cmpstr(g_variant_get_type_string(back), ==, g_variant_get_type_string(value));
    g_assert_true(g_variant_equal(back, value));
}

static void test_basic(void)
{
    assert_same("(byte 255, true, false, int16 -32768, uint16 65535)");
    assert_same(
        "(int32 -2147483648, uint32 4294967295, int64 -9223372036854775808, uint64 18446744073709551615)");
    assert_same(
        "(0.1, -1e300, 'text', '', 'gr\\u00fcn', objectpath '/', objectpath '/a/b', signature 'a{sv}')");
}

static void test_containers(void)
{
    assert_same("()");
    assert_same("(@as [],)");
    assert_same("(@a{sv} {}, @aay [], @a(uu) [])");
    assert_same("(['a', 'b'], [objectpath '/', '/a'], b'bytes', [[byte 1], [], [byte 2, 3]])");
    assert_same("([uint64 1, 2], [0.5], [int16 -1, 2], [true, false], @ay [], @at [])");
    assert_same("((1, ('x', [true])), {'k': <1>}, {uint32 7: [1.5]})");
    assert_same("(<'text'>, <<uint32 1>>, <@av []>, <(1, 'x')>)");
}

/* As NetworkManager's GetSettings. */
static void test_settings(void)
{
    assert_same("({'connection': {'id': <'lan'>, 'autoconnect': <false>, 'timestamp': <uint64 1>}, 'ipv4': "
                "{'address-data': <[{'address': <'192.0.2.1'>, 'prefix': <uint32 24>}]>, 'addresses': "
                "<[[uint32 1, 24, 0]]>, 'dns': <@au []>}},)");
}

/* What D-Bus has no words for. */
static void test_refused(void)
{
    static const char *const texts[] = {"(@ms 'x',)", "(handle 0,)", "([@ms nothing],)", "(<handle 0>,)"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GVariant) value = g_variant_parse(NULL, texts[i], NULL, NULL, NULL);
        g_assert_nonnull(value);
        g_assert_null(message_through(value));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/variant/basic", test_basic);
    g_test_add_func("/variant/containers", test_containers);
    g_test_add_func("/variant/settings", test_settings);
    g_test_add_func("/variant/refused", test_refused);
    return g_test_run();
}
