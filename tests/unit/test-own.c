/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The administrator's executables, as far as none is run: names, whose files are to be trusted, and words for
 * their ends. How they are run: tests/integration. */
#include "own.h"

#include "check-device.h"
#include "check-trust.h"
#include "names.h"
#include "scratch.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_names(void)
{
    static const char *const good[] = {"http", "My-check_2", "NM", "-", "0", "none"};
    static const char *const bad[] = {"",     ".",   "..",   "a/b",        "/etc/passwd",
                                      "a.sh", "a b", "a\nb", "b\xc3\xbcro"};

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(own_name(good[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(own_name(bad[i]));
    g_assert_true(check_device_known("http"));
    g_assert_false(check_device_known("none")); /* which is a word for no check */
}

static void test_missing(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(own_fit(NM_TRIAL_CHECK_DIR, "no-such-check", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(error->message, "/etc/nm-trial/check.d/no-such-check")); /* where */
    g_assert_nonnull(strstr(error->message, "0755"));                                /* and how */
}

/* Not passed over in silence: ".sh" is no backup's ending, and whoever wrote it waits for it to run. */
static void test_misnamed(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(own_fit("/usr/bin", "[", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
    g_assert_true(g_str_has_prefix(error->message, "/usr/bin/[ has more in its name than letters"));
}

/* As waitpid() has them (POSIX gives macros to read them, none to make them). */
#define EXITED(code) ((code) << 8)
#define KILLED(number) (number)

static void test_words(void)
{
    static const struct {
        int status;
        const char *said, *words;
    } cases[] = {
        {EXITED(0), "", "exit status 0"},
        {EXITED(0), "OK - 3 ms | time=3ms;;;0\nmore\n", "OK - 3 ms | time=3ms;;;0"},
        {EXITED(0), "\n  \n\tat last \r\n", "at last"},
        {EXITED(1), "WARNING - slow", "exit status 1: WARNING - slow"},
        {EXITED(2), "", "exit status 2"},
        {EXITED(255), "\n", "exit status 255"},
        {KILLED(SIGSEGV), "half a li", "killed by signal 11 (Segmentation fault): half a li"},
        {KILLED(SIGKILL), "", "killed by signal 9 (Killed)"},
        {EXITED(3), "\033]0;owned\a\nx", "exit status 3: \\u001b]0;owned\\u0007"},
        {EXITED(1), "\xff", "exit status 1: \xef\xbf\xbd"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *words = own_words(cases[i].status, cases[i].said);
        g_assert_cmpstr(words, ==, cases[i].words);
    }
    g_autofree char *flood = g_strnfill(4096, 'y'), *words = own_words(EXITED(1), flood);
    g_assert_cmpuint(strlen(words), <, 300);
    g_assert_true(g_str_has_prefix(words, "exit status 1: yyy"));
}

/* A directory that stands for "/", with /etc/check.d/http in it: all is well. */
static Scratch *make_root(void)
{
    static const char *const directories[] = {"", "etc", "etc/check.d", "usr", "usr/lib"};
    Scratch *root = scratch_new();

    for (gsize i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *path = g_build_filename(root, directories[i], NULL);
        if (i > 0)
            g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
        g_assert_cmpint(g_chmod(path, 0755), ==, 0);
    }
    for (gsize i = 0; i < 2; i++) {
        g_autofree char *path = scratch_put(root, i ? "usr/lib/plugin" : "etc/check.d/http", "#!/bin/sh\n");
        g_assert_cmpint(g_chmod(path, 0755), ==, 0);
    }
    return root;
}

static gboolean opens(const Scratch *root, const char *path, GError **error)
{
    int fd = check_trust_open(root, path, error);

    if (fd < 0)
        return FALSE;
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    close(fd);
    return TRUE;
}

static void test_trusted(void)
{
    g_autoptr(Scratch) root = make_root();
    g_autofree char *link = g_build_filename(root, "etc/check.d/link", NULL);
    static const char *const targets[] = {"http", "/usr/lib/plugin", "../../usr/lib/./plugin",
                                          "/../../../usr/lib/plugin", "//usr//lib//plugin"};
    g_autoptr(GError) error = NULL;

    g_assert_true(opens(root, "/etc/check.d/http", &error));
    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
        g_assert_cmpint(symlink(targets[i], link), ==, 0);
        g_assert_true(opens(root, "/etc/check.d/link", &error));
        g_assert_no_error(error);
        g_assert_cmpint(g_unlink(link), ==, 0);
    }
}

/* It is the file that was meant, not another one that lies there by now. */
static void test_is_what_was_looked_at(void)
{
    g_autoptr(Scratch) root = make_root();
    g_autofree char *path = g_build_filename(root, "etc/check.d/http", NULL);
    struct stat meant, there, opened;

    g_assert_cmpint(stat(path, &meant), ==, 0);
    int fd = check_trust_open(root, "/etc/check.d/http", NULL);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_free(scratch_put(root, "etc/check.d/http", "another one"));
    g_assert_cmpint(stat(path, &there), ==, 0);
    g_assert_cmpint(fstat(fd, &opened), ==, 0);
    g_assert_cmpuint(opened.st_ino, ==, meant.st_ino);
    g_assert_cmpuint(opened.st_ino, !=, there.st_ino);
    close(fd);
}

static void test_modes(void)
{
    static const struct {
        const char *path;
        mode_t mode;
        const char *place; /* at fault; NULL: fine */
    } cases[] = {
        {"etc/check.d/http", 0755, NULL},
        {"etc/check.d/http", 0500, NULL},
        {"etc/check.d/http", 0775, "/etc/check.d/http"},
        {"etc/check.d/http", 0757, "/etc/check.d/http"},
        {"etc/check.d/http", 0644, "/etc/check.d/http"},
        {"etc/check.d/http", 0655, "/etc/check.d/http"},
        {"etc/check.d/http", 04755, "/etc/check.d/http"},
        {"etc/check.d/http", 02755, "/etc/check.d/http"},
        {"etc/check.d", 0775, "/etc/check.d "},
        {"etc/check.d", 01777, "/etc/check.d "},
        {"etc", 0757, "/etc "},
        {"", 0775, "/ "},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Scratch) root = make_root();
        g_autofree char *path = g_build_filename(root, cases[i].path, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(g_chmod(path, cases[i].mode), ==, 0);
        g_test_message("%s %o", cases[i].path, cases[i].mode);
        g_assert_cmpint(opens(root, "/etc/check.d/http", &error), ==, cases[i].place == NULL);
        if (cases[i].place) {
            g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM);
            g_assert_true(g_str_has_prefix(error->message, cases[i].place));
        }
    }
}

/* Somebody else's, anywhere on the way. */
static void test_owners(void)
{
    static const char *const places[] = {"", "etc", "etc/check.d", "etc/check.d/http"};

    if (geteuid() != 0) { /* only root can give files away */
        g_test_message("not root: not tried");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(Scratch) root = make_root();
        g_autofree char *path = g_build_filename(root, places[i], NULL);
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(chown(path, 1, 0), ==, 0);
        g_assert_false(opens(root, "/etc/check.d/http", &error));
        g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM);
        g_assert_cmpint(chown(path, 0, 0), ==, 0);
    }
}

/* A link leads through a directory that somebody may write: he chooses what is run, even if that is root's.
 */
static void test_a_link_through_open_country(void)
{
    g_autoptr(Scratch) root = make_root();
    g_autofree char *link = g_build_filename(root, "etc/check.d/link", NULL);
    g_autofree char *open = g_build_filename(root, "tmp", NULL),
                    *second = g_build_filename(open, "next", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(open, 0755), ==, 0);
    g_assert_cmpint(symlink("/usr/lib/plugin", second), ==, 0);
    g_assert_cmpint(symlink("/tmp/next", link), ==, 0);
    g_assert_true(opens(root, "/etc/check.d/link", &error));
    g_assert_cmpint(g_chmod(open, 01777), ==, 0);
    g_assert_false(opens(root, "/etc/check.d/link", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM);
    g_assert_true(g_str_has_prefix(error->message, "/tmp "));
}

static void test_no_file(void)
{
    g_autoptr(Scratch) root = make_root();
    g_autofree char *loop = g_build_filename(root, "etc/check.d/loop", NULL);
    g_autofree char *fifo = g_build_filename(root, "etc/check.d/fifo", NULL);
    const struct {
        const char *path;
        int code;
    } cases[] = {
        {"/etc/check.d/nothing", G_FILE_ERROR_NOENT}, {"/etc/check.d", G_FILE_ERROR_ISDIR},
        {"/etc/check.d/", G_FILE_ERROR_ISDIR},        {"/etc/check.d/http/", G_FILE_ERROR_NOTDIR},
        {"/etc/check.d/http/x", G_FILE_ERROR_NOTDIR}, {"/etc/check.d/loop", G_FILE_ERROR_LOOP},
        {"/etc/check.d/fifo", G_FILE_ERROR_PERM},
    };

    g_assert_cmpint(symlink("loop", loop), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0755), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_test_message("%s", cases[i].path);
        g_assert_false(opens(root, cases[i].path, &error));
        g_assert_error(error, G_FILE_ERROR, cases[i].code);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/own/names", test_names);
    g_test_add_func("/own/missing", test_missing);
    g_test_add_func("/own/misnamed", test_misnamed);
    g_test_add_func("/own/words", test_words);
    g_test_add_func("/own/trusted", test_trusted);
    g_test_add_func("/own/is-what-was-looked-at", test_is_what_was_looked_at);
    g_test_add_func("/own/modes", test_modes);
    g_test_add_func("/own/owners", test_owners);
    g_test_add_func("/own/link-through-open-country", test_a_link_through_open_country);
    g_test_add_func("/own/no-file", test_no_file);
    return g_test_run();
}
