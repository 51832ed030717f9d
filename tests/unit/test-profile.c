/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A profile's flags change and nothing else does; which two profiles are the same; what is no profile;
 * what needs no libnm. */
#include "profile.h"

#include "sample.h"
#include "scratch.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH "/etc/NetworkManager/system-connections/x.nmconnection"
#define UUID "uuid=5a3b1c9e-0000-4000-8000-000000000001\n"
#define CRLF_UUID "uuid=5a3b1c9e-0000-4000-8000-000000000001\r\n"
#define TYPE "id=x\n" UUID "type=ethernet\n"

static Profile *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    Profile *profile = profile_parse(PATH, g_strdup(text), strlen(text), &error);
    g_assert_no_error(error);
    g_assert_nonnull(profile);
    return profile;
}

static char *with_flags(const char *text, const struct profile_flags *flags)
{
    g_autoptr(Profile) profile = parse(text);
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    char *result = profile_with_flags(profile, flags, &length, &error);
    g_assert_no_error(error);
    g_assert_nonnull(result);
    g_assert_cmpuint(length, ==, strlen(result));
    g_assert_cmpstr(profile->data, ==, text); /* the profile itself stays */
    return result;
}

/* What is read back, by libnm and not by the function that wrote it. */
static void assert_flags(const char *text, const struct profile_flags *flags)
{
    g_autoptr(Profile) profile = parse(text);
    NMSettingConnection *s = nm_connection_get_setting_connection(profile_connection(profile));
    g_assert_cmpint(nm_setting_connection_get_autoconnect(s), ==, flags->autoconnect);
    if (flags->priority != PROFILE_KEEP_PRIORITY)
        g_assert_cmpint(nm_setting_connection_get_autoconnect_priority(s), >=, flags->priority);
    if (flags->state) {
        g_assert_cmpstr(profile_annotation(profile, ANNOTATION_STATE), ==,
                        *flags->state ? flags->state : NULL);
        g_assert_cmpstr(profile_annotation(profile, ANNOTATION_REASON), ==, flags->reason);
    }
}

static const struct profile_flags trying = {FALSE, PROFILE_KEEP_PRIORITY, "trying", NULL};
static const struct profile_flags demoted = {FALSE, PROFILE_KEEP_PRIORITY, "demoted", "timeout"};
static const struct profile_flags promoted = {TRUE, 8, "promoted", NULL};
static const struct profile_flags off = {FALSE, PROFILE_KEEP_PRIORITY, NULL, NULL};
static const struct profile_flags staged = {FALSE, PROFILE_KEEP_PRIORITY, PROFILE_NO_STATE, NULL};
static const struct profile_flags on = {TRUE, PROFILE_KEEP_PRIORITY, NULL, NULL};

#define USER_TRYING "\n[user]\nnm-trial.state=trying\n"

static const struct {
    const char *name;
    const struct profile_flags *flags;
    const char *before;
    const char *after;
} texts[] = {
    {"absent", &trying, "[connection]\n" TYPE, "[connection]\n" TYPE "autoconnect=false\n" USER_TRYING},
    {"nothing to change", &on, "[connection]\n" TYPE, "[connection]\n" TYPE},
    {"off already", &off, "[connection]\nautoconnect=false\n" TYPE, "[connection]\nautoconnect=false\n" TYPE},
    {"present", &off, "[connection]\nautoconnect=true\n" TYPE, "[connection]\nautoconnect=false\n" TYPE},
    {"spaces", &off, "[connection]\n  autoconnect = true \n" TYPE "zone = a b\n",
     "[connection]\nautoconnect=false\n" TYPE "zone = a b\n"},
    {"comments", &trying,
     "# top\n[connection]\n" TYPE "# below\n\n# above\n[ipv4]\n# in\nmethod=auto\n# end\n",
     "# top\n[connection]\n" TYPE
     "autoconnect=false\n# below\n\n# above\n[ipv4]\n# in\nmethod=auto\n# end\n" USER_TRYING},
    {"commented out", &off, "[connection]\n" TYPE "#autoconnect=true\n",
     "[connection]\n" TYPE "autoconnect=false\n#autoconnect=true\n"},
    {"line ends", &trying,
     "[connection]\r\nid=x\r\n" CRLF_UUID
     "type=ethernet\r\nautoconnect=true\r\n\r\n[ipv4]\r\nmethod=auto\r\n",
     "[connection]\r\nid=x\r\n" CRLF_UUID
     "type=ethernet\r\nautoconnect=false\r\n\r\n[ipv4]\r\nmethod=auto\r\n"
     "\r\n[user]\r\nnm-trial.state=trying\r\n"},
    {"no end of the last line, elsewhere", &trying, "[connection]\n" TYPE "\n[ipv4]\nmethod=auto",
     "[connection]\n" TYPE "autoconnect=false\n\n[ipv4]\nmethod=auto\n" USER_TRYING},
    {"no end of the last line, there", &off, "[connection]\n" UUID "type=ethernet\nid=x",
     "[connection]\n" UUID "type=ethernet\nid=x\nautoconnect=false\n"},
    {"no end of the last line, itself", &off, "[connection]\n" TYPE "autoconnect=true",
     "[connection]\n" TYPE "autoconnect=false"},
    {"unknown", &off, "[connection]\nx-key=1\n" TYPE "\n[x-section]\nx=y;z\n  w  =  \\s \n",
     "[connection]\nx-key=1\n" TYPE "autoconnect=false\n\n[x-section]\nx=y;z\n  w  =  \\s \n"},
    {"key twice", &off, "[connection]\nautoconnect=false\n" TYPE "autoconnect=true\n",
     "[connection]\nautoconnect=false\n" TYPE "autoconnect=false\n"},
    {"group twice", &off, "[connection]\n" TYPE "\n[ipv4]\nmethod=auto\n\n[connection]\nautoconnect=true\n",
     "[connection]\n" TYPE "\n[ipv4]\nmethod=auto\n\n[connection]\nautoconnect=false\n"},
    {"group twice, absent", &off, "[connection]\n" TYPE "\n[ipv4]\nmethod=auto\n\n[connection]\nzone=z\n",
     "[connection]\n" TYPE "autoconnect=false\n\n[ipv4]\nmethod=auto\n\n[connection]\nzone=z\n"},
    {"blanks behind the header", &off, "  [connection]\t  \n" TYPE "\n[ipv4]  \nmethod=auto\n",
     "  [connection]\t  \n" TYPE "autoconnect=false\n\n[ipv4]  \nmethod=auto\n"},
    {"empty lines at the end", &trying, "[connection]\n" TYPE "\n\n\n",
     "[connection]\n" TYPE "autoconnect=false\n\n\n\n" USER_TRYING},
    {"user section", &trying, "[user]\nmy.site=here\n\n[connection]\n" TYPE,
     "[user]\nmy.site=here\nnm-trial.state=trying\n\n[connection]\n" TYPE "autoconnect=false\n"},
    {"user section without keys", &trying, "[connection]\n" TYPE "\n[user]\n# none\n",
     "[connection]\n" TYPE "autoconnect=false\n\n[user]\nnm-trial.state=trying\n# none\n"},
    {"user section, no end", &trying, "[connection]\n" TYPE "\n[user]",
     "[connection]\n" TYPE "autoconnect=false\n\n[user]\nnm-trial.state=trying\n"},
    {"other sections' keys", &trying,
     "[x]\nautoconnect=true\nnm-trial.state=no\n[connection]\n" TYPE "[y]\nautoconnect=maybe\n",
     "[x]\nautoconnect=true\nnm-trial.state=no\n[connection]\n" TYPE
     "autoconnect=false\n[y]\nautoconnect=maybe\n" USER_TRYING},
    {"values that look like sections", &off,
     "[connection]\nid=[user]\n" UUID "type=ethernet\nzone=[ipv4]\n#[user]\n",
     "[connection]\nid=[user]\n" UUID "type=ethernet\nzone=[ipv4]\nautoconnect=false\n#[user]\n"},
    {"names that begin alike", &off, "[connection]\nautoconnect-retries=3\nautoconnect-slaves=1\n" TYPE,
     "[connection]\nautoconnect-retries=3\nautoconnect-slaves=1\n" TYPE "autoconnect=false\n"},
    {"demoted with a reason", &demoted,
     "[connection]\n" TYPE "\n[user]\nnm-trial.state=trying\nmy.site=here\n",
     "[connection]\n" TYPE
     "autoconnect=false\n\n[user]\nnm-trial.state=demoted\nmy.site=here\nnm-trial.reason=timeout\n"},
    {"the reason goes", &trying,
     "[connection]\nautoconnect=false\n" TYPE
     "\n[user]\nnm-trial.reason=a\nnm-trial.state=demoted\nnm-trial.reason=timeout\nmy.site=here\n",
     "[connection]\nautoconnect=false\n" TYPE "\n[user]\nnm-trial.state=trying\nmy.site=here\n"},
    {"priority", &promoted,
     "[connection]\nautoconnect=false\nautoconnect-priority=-3\n" TYPE "\n[user]\nnm-trial.state=trying\n",
     "[connection]\nautoconnect=true\nautoconnect-priority=8\n" TYPE "\n[user]\nnm-trial.state=promoted\n"},
    {"priority that is high enough", &promoted,
     "[connection]\nautoconnect-priority=9\n" TYPE "\n[user]\nnm-trial.state=promoted\n",
     "[connection]\nautoconnect-priority=9\n" TYPE "\n[user]\nnm-trial.state=promoted\n"},
    {"no state: no annotation", &off,
     "[connection]\n" TYPE "\n[user]\nnm-trial.state=promoted\nnm-trial.reason=x\n",
     "[connection]\n" TYPE "autoconnect=false\n\n[user]\nnm-trial.state=promoted\nnm-trial.reason=x\n"},
    {"staged: another device's verdict goes, its wishes stay", &staged,
     "[connection]\n" TYPE
     "\n[user]\n# why\nnm-trial.reason=timeout\nnm-trial.hold=3s\nnm-trial.state=demoted\n"
     "my.site=here\nnm-trial.state=trying",
     "[connection]\n" TYPE "autoconnect=false\n\n[user]\n# why\nnm-trial.hold=3s\nmy.site=here\n"},
    {"staged: nothing to change", &staged, "[connection]\nautoconnect=false\n" TYPE "\n[x]\ny = z",
     "[connection]\nautoconnect=false\n" TYPE "\n[x]\ny = z"},
};

static void test_flags(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_test_message("%s", texts[i].name);
        g_autofree char *after = with_flags(texts[i].before, texts[i].flags);
        g_assert_cmpstr(after, ==, texts[i].after);
        assert_flags(after, texts[i].flags);
        g_autofree char *twice = with_flags(after, texts[i].flags); /* twice is once */
        g_assert_cmpstr(twice, ==, after);
    }
}

/* From any of the texts, through a trial and back: only the flags differ from what they were. */
static void test_there_and_back(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_test_message("%s", texts[i].name);
        g_autoptr(Profile) first = parse(texts[i].before);
        g_autofree char *is_off = with_flags(texts[i].before, &trying),
                        *is_on = with_flags(is_off, &promoted);
        g_autofree char *off_again = with_flags(is_on, &trying), *on_again = with_flags(off_again, &promoted);
        g_autoptr(Profile) last = parse(on_again);
        assert_flags(is_off, &trying);
        assert_flags(is_on, &promoted);
        g_assert_cmpstr(on_again, ==, is_on);
        g_assert_true(profile_same(first, last));
        g_assert_true(last->autoconnect);
        g_assert_cmpint(last->priority, ==, MAX(first->priority, 8));
    }
}

static void test_flags_state(void)
{
    static const struct {
        const struct profile_flags flags;
        enum flags_state expected;
    } cases[] = {
        {{FALSE, PROFILE_KEEP_PRIORITY, "trying", NULL}, FLAGS_TRYING},
        {{FALSE, PROFILE_KEEP_PRIORITY, "demoted", "x"}, FLAGS_DEMOTED},
        {{FALSE, PROFILE_KEEP_PRIORITY, "promoted", NULL}, FLAGS_OTHER},
        {{TRUE, 5, "promoted", NULL}, FLAGS_PROMOTED},
        {{TRUE, 6, "promoted", NULL}, FLAGS_PROMOTED},
        {{TRUE, 4, "promoted", NULL}, FLAGS_OTHER},
        {{TRUE, 5, "trying", NULL}, FLAGS_OTHER},
        {{TRUE, 5, "demoted", NULL}, FLAGS_OTHER},
        {{FALSE, PROFILE_KEEP_PRIORITY, NULL, NULL}, FLAGS_OTHER},
        {{TRUE, 5, NULL, NULL}, FLAGS_OTHER},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = with_flags("[connection]\n" TYPE, &cases[i].flags);
        g_autoptr(Profile) profile = parse(text);
        g_assert_cmpint(profile_flags_state(profile, 5), ==, cases[i].expected);
    }
}

/* Whether two profiles are the same to NM */

#define WIFI(psk)                                                                                            \
    "[connection]\nid=w\n" UUID "type=wifi\n[wifi]\nssid=net\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=" psk   \
    "\n"
#define DOT1X(password)                                                                                      \
    "[connection]\n" TYPE "[802-1x]\neap=peap;\nidentity=me\nphase2-auth=mschapv2\npassword=" password "\n"
#define ADDRESS(address) "[connection]\n" TYPE "[ipv4]\nmethod=manual\naddress1=" address "\n"
#define USER(keys) "[connection]\n" TYPE "[user]\n" keys

static void assert_same(const char *a, const char *b, gboolean expected)
{
    g_autoptr(Profile) one = parse(a), other = parse(b);
    g_test_message("%s\n<->\n%s", a, b);
    g_assert_cmpint(profile_same(one, other), ==, expected);
    g_assert_cmpint(profile_same(other, one), ==, expected);
    g_assert_true(profile_same(one, one));
}

static void test_same(void)
{
    assert_same("[connection]\n" TYPE, "# c\n[connection]\ntype = ethernet\n" UUID "id=x\n\n\n", TRUE);
    assert_same("[connection]\n" TYPE, "[connection]\n" TYPE "autoconnect=false\nautoconnect-priority=5\n",
                TRUE);
    assert_same("[connection]\n" TYPE, "[connection]\n" TYPE "timestamp=1700000000\n", TRUE);
    assert_same("[connection]\n" TYPE, "[connection]\n" TYPE "x-unknown=1\n[x]\ny=z\n", TRUE);
    assert_same("[connection]\n" TYPE, USER("nm-trial.state=trying\nnm-trial.reason=x\n"), TRUE);
    assert_same("[connection]\n" TYPE, USER("nm-trial.replaces=y\n"), TRUE);
    assert_same(USER("my.site=here\n"), USER("nm-trial.state=trying\nmy.site=here\n"), TRUE);
    assert_same(WIFI("secret-one"), WIFI("secret-one") "\n# later\n", TRUE);
}

static void test_not_same(void)
{
    assert_same(WIFI("secret-one"), WIFI("secret-two"), FALSE);
    assert_same(DOT1X("one"), DOT1X("two"), FALSE);
    assert_same(ADDRESS("192.0.2.1/24"), ADDRESS("192.0.2.2/24"), FALSE);
    assert_same(ADDRESS("192.0.2.1/24"), ADDRESS("192.0.2.1/25"), FALSE);
    assert_same(USER("my.site=here\n"), USER("my.site=there\n"), FALSE);
    assert_same("[connection]\n" TYPE, USER("my.site=here\n"), FALSE);
    assert_same(USER("nm-trial.state=trying\n"), USER("nm-trial.state=trying\nmy.site=here\n"), FALSE);
    assert_same("[connection]\n" TYPE, USER("nm-trialx.y=1\n"), FALSE);
    assert_same("[connection]\n" TYPE, "[connection]\n" TYPE "interface-name=eth0\n", FALSE);
    assert_same("[connection]\n" TYPE, "[connection]\n" TYPE "autoconnect-retries=1\n", FALSE);
    assert_same("[connection]\n" TYPE, "[connection]\nid=y\n" UUID "type=ethernet\n", FALSE);
}

/* What is no profile */

static void test_refused(void)
{
    static const struct {
        const char *text;
        gsize length; /* 0: all of it */
        const char *word;
    } cases[] = {
        {"", 0, "uuid"},
        {"[connection]\nid=x\ntype=ethernet\n", 0, "uuid"},
        {"[connection]\n" UUID "type=ethernet\n", 0, "id"},
        {"[connection]\nid=x\ntype=ethernet\n[other]\n" UUID, 0, "uuid"},
        {"[connection]\nid=x\n" UUID, 0, ""}, /* no type */
        {"[connection]\nid=x\nuuid=nonsense\ntype=ethernet\n", 0, "no UUID"},
        {"[connection]\nid=x\nuuid=\ntype=ethernet\n", 0, "no UUID"},
        /* No escape that GKeyFile knows: libnm would make one up, at each look */
        {"[connection]\nid=x\nuuid=5a3b1c9e-0000-4000-8000-00000000\\0001\ntype=ethernet\n", 0, "uuid"},
        {"[connection]\nid=x\n" UUID "type=warp\n", 0, ""},
        {ADDRESS("192.0.2.1/24") "[connection]\ntype=wifi\n", 0, ""}, /* Wi-Fi without an SSID */
        {"[connection]\n" TYPE "[ipv4]\nmethod=nonsense\n", 0, ""},
        {"[connection]\nid=\xff\xfe\n" UUID "type=ethernet\n", 0, ""},
        {"[connection]\nid=x\nuuid=\xff\ntype=ethernet\n", 0,
         "uuid"}, /* libnm would make one up, at each look */
        {"hello, world\n", 0, ""},
        /* GKeyFile shows it without what is behind the NUL: that could be switched off, and not on again */
        {"[connection]\n" TYPE "# a \0 in a comment\n",
         sizeof "[connection]\n" TYPE "# a \0 in a comment\n" - 1, "text"},
        {"\x7f"
         "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03",
         17, ""},
        {"\0\0\0\0\0\0\0\0", 8, ""},
        {"[connection\nid=x\n", 0, ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gsize length = cases[i].length ? cases[i].length : strlen(cases[i].text);
        char *data = g_malloc0(length + 1);
        memcpy(data, cases[i].text, length);
        g_test_message("%s", cases[i].text);
        g_assert_null(profile_parse(PATH, data, length, &error));
        g_assert_nonnull(error);
        g_assert_true(g_str_has_prefix(error->message, PATH ": "));
        g_assert_nonnull(strstr(error->message, cases[i].word));
    }
}

/* The same bytes of the same file are parsed once, until that is forgotten; who has one keeps it. */
static void test_parsed_once(void)
{
    static const char text[] = "[connection]\n" TYPE, other[] = "[connection]\n" TYPE "autoconnect=false\n";
    g_autoptr(Profile) first = parse(text), again = parse(text), changed = parse(other);
    g_autoptr(Profile) elsewhere = profile_parse("/y", g_strdup(text), strlen(text), NULL);

    g_assert_true(profile_connection(first) == profile_connection(again));
    g_assert_false(profile_connection(first) == profile_connection(changed));
    g_assert_false(profile_connection(first) == profile_connection(elsewhere));
    g_assert_false(changed->autoconnect);
    profile_forget();
    g_autoptr(Profile) anew = parse(text);
    g_assert_false(profile_connection(first) == profile_connection(anew));
    g_assert_true(profile_same(first, anew) && profile_same(first, changed));
}

static void test_annotation(void)
{
    g_autoptr(Profile) profile = parse(USER("nm-trial.replaces=y\nmy.site=here\n"));
    g_autoptr(Profile) none = parse("[connection]\n" TYPE);
    g_assert_cmpstr(profile_annotation(profile, ANNOTATION_REPLACES), ==, "y");
    g_assert_null(profile_annotation(profile, ANNOTATION_STATE));
    g_assert_null(profile_annotation(none, ANNOTATION_REPLACES));
}

/* Where libnm is not asked, the file is read as libnm reads it. */
static void test_read_plainly(void)
{
    const struct {
        const char *connection, *user;
    } cases[] = {
        {"", ""},
        {"autoconnect=true\n", ""},
        {"autoconnect=false\n", ""},
        {"autoconnect=0\n", ""},
        {"autoconnect=1\n", ""},
        {"autoconnect=no\n", ""},
        {"autoconnect=FALSE\n", ""},
        {"autoconnect=\n", ""},
        {" autoconnect = false \n", ""},
        {"autoconnect=true\nautoconnect=false\n", ""},
        {"autoconnect=false\n[connection]\nautoconnect=true\n", ""},
        {"autoconnect-priority=5\n", ""},
        {"autoconnect-priority=-7\n", ""},
        {"autoconnect-priority=010\n", ""},
        {"autoconnect-priority=0x10\n", ""},
        {"autoconnect-priority=+5\n", ""},
        {"autoconnect-priority=5 \n", ""},
        {"autoconnect-priority=5x\n", ""},
        {"autoconnect-priority=-0\n", ""},
        {"autoconnect-priority=999\n", ""},
        {"autoconnect-priority=1000\n", ""},
        {"autoconnect-priority=4294967301\n", ""},
        {"autoconnect-priority=-2147483648\n", ""},
        {"uuid=5A3B1C9E-0000-4000-8000-000000000001\n", ""},
        {"uuid=5a3b1c9e000040008000-0000-0000-000001\n", ""},
        {"uuid=0123456789012345678901234567890123456789\n", ""},
        {"uuid=5a3b1c9e-0000-4000-8000-000000000001\\\n", ""},
        {"id=a\\\n", ""},
        {"id=a\\q\n", ""},
        {"id=a\\sb\n", ""},
        {"", "nm-trial.state=trying\nnm-trial.reason=timeout\nmy.site=here\n"},
        {"", "nm-trial.state=trying\nnm-trial.state=demoted\n"},
        {"", "nm-trial.state=trying\n[user]\nnm-trial.state=promoted\n"},
        {"", "nm-trial.state=a\\sb\n"},
        {"", "nm-trial.state=\n"},
        {"", "nm-trial.state=\xff\n"},
        {"", "nm-trial\\2estate=trying\n"},
        {"", "nm-trial.=trying\n"},
        {"", "nm-trial.state[de]=trying\n"},
        {"", " nm-trial.start = boot \n"},
    };
    guint compared = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strconcat("[connection]\n" TYPE, cases[i].connection, "[user]\n", cases[i].user, NULL);
        g_test_message("%.200s", text);
        g_autoptr(Profile) plain = profile_parse_known(PATH, g_strdup(text), strlen(text), NULL);
        g_autoptr(Profile) whole = profile_parse(PATH, g_strdup(text), strlen(text), NULL);
        if (!whole) /* libnm refuses it: it is in no record, and like nothing */
            continue;
        g_assert_cmpstr(plain->uuid, ==, whole->uuid);
        g_assert_cmpstr(plain->id, ==, whole->id);
        g_assert_cmpint(plain->autoconnect, ==, whole->autoconnect);
        g_assert_cmpint(plain->priority, ==, whole->priority);
        g_auto(GStrv) a = profile_annotation_keys(plain), b = profile_annotation_keys(whole);
        g_assert_true(g_strv_equal((const char *const *)a, (const char *const *)b));
        for (char **key = a; *key; key++)
            g_assert_cmpstr(profile_annotation(plain, *key), ==, profile_annotation(whole, *key));
        compared++;
    }
    g_test_message("%u of %u", compared, (guint)G_N_ELEMENTS(cases));
    g_assert_cmpuint(compared, >=, 30); /* releases of libnm differ in what they refuse */
}

/* libnm is asked about what it has not seen, and not about the rest: here it would refuse. */
static void test_like(void)
{
#define REFUSED "[connection]\n" TYPE "%s[ipv4]\nmethod=none-such\n%s"
    g_autofree char *big = g_strnfill(9000, 'x');
    g_autofree char *too_big = g_strconcat("[user]\nnm-trial.reason=", big, "\n", NULL);
    GString *many = g_string_new("[user]\n");
    for (int a = 'a'; a <= 'z'; a++)
        for (int b = 'a'; b <= 'z'; b++)
            g_string_append_printf(many, "nm-trial.%c%c=1\n", a, b);
    g_autofree char *too_many = g_string_free(many, FALSE);
    big[255] = '\0';
    g_autofree char *too_long = g_strconcat("[user]\nnm-trial.", big, "=x\n", NULL);
    const struct {
        const char *connection, *rest;
        gboolean like;
    } cases[] = {
        {"", "", TRUE},
        {"autoconnect=false\nautoconnect-priority=7\ntimestamp=1\n", "", TRUE},
        {"", "# but a comment\n", TRUE},
        {"", "[user]\nnm-trial.state=trying\n", TRUE},
        {"", "[.nmmeta]\nshadowed-storage=/x\n", TRUE},
        {"", "[user]\nmy.site=here\n", FALSE},
        {"", "[ipv6]\nmethod=auto\n", FALSE},
        {"", "method=none-such-either\n", FALSE},
        {"interface-name=eth7\n", "", FALSE},
        {"autoconnect=no\n", "", FALSE}, /* the same, but not plain */
        /* libnm may refuse these */
        {"", too_big, FALSE},
        {"", too_many, FALSE},
        {"", too_long, FALSE},
        {"", "[user]\nnm-trial.=x\n", FALSE},
        {"", "[user]\nnm-trial.a b=x\n", FALSE},
    };
    g_autofree char *text = g_strdup_printf(REFUSED, "", "");
    g_autoptr(Profile) known = profile_parse_known(PATH, g_strdup(text), strlen(text), NULL);
    const Profile *const like[] = {known, NULL};

    g_assert_null(profile_parse(PATH, g_strdup(text), strlen(text), NULL));
    g_assert_nonnull(known);
    g_assert_null(profile_connection(known));
    g_assert_cmpstr(profile_type(known), ==, "");
    g_assert_null(profile_interface(known));
    g_assert_false(profile_believed(known));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *its = g_strdup_printf(REFUSED, cases[i].connection, cases[i].rest);
        g_test_message("%s", its);
        g_autoptr(Profile) profile = profile_parse_like(PATH, g_strdup(its), strlen(its), like, NULL);
        g_assert_true((profile != NULL) == cases[i].like);
        g_assert_true(!profile || profile_same(profile, known));
        g_assert_null(
            profile_parse_like("/elsewhere/x.nmconnection", g_strdup(its), strlen(its), like, NULL));
    }
    g_autoptr(Profile) understood = parse("[connection]\n" TYPE);
    g_assert_false(profile_same(understood, known));
    g_assert_false(profile_same(known, understood));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/profile/flags/texts", test_flags);
    g_test_add_func("/profile/flags/there-and-back", test_there_and_back);
    g_test_add_func("/profile/flags/state", test_flags_state);
    g_test_add_func("/profile/read-plainly", test_read_plainly);
    g_test_add_func("/profile/like", test_like);
    g_test_add_func("/profile/same", test_same);
    g_test_add_func("/profile/not-same", test_not_same);
    g_test_add_func("/profile/refused", test_refused);
    g_test_add_func("/profile/parsed-once", test_parsed_once);
    g_test_add_func("/profile/annotation", test_annotation);
    return g_test_run();
}
