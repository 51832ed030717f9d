/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for its trial, before NetworkManager is there. */
#include "scratch.h"
#include "waiting.h"

#define BOOT "0123456789abcdef0123456789abcdef"

/* An agent that comes before NetworkManager is ready must not go idle for good: what `nm-trial boot` did not
 * come to is still to be done. */
static void test_not_ready(void)
{
    g_autoptr(Network) network = network_new();
    Scratch *dir = scratch_new();
    Engine engine = {.state_dir = dir, .profile_dir = dir, .boot_id = BOOT, .network = network};

    g_assert_false(waiting_catch_up(&engine, dir));
    waiting_mark_done(dir, "another boot's");
    g_assert_false(waiting_catch_up(&engine, dir));
    waiting_mark_done(dir, BOOT);
    g_assert_true(waiting_catch_up(&engine, dir));
    engine_clear(&engine);
    scratch_free(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere", TRUE);
    g_test_add_func("/waiting/not-ready", test_not_ready);
    return g_test_run();
}
