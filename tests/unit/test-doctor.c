/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of doctor needs no device; the rest: tests/integration/test_doctor.py. */
#include "doctor.h"

static void test_version(void)
{
    static const struct {
        const char *version;
        enum finding_state state;
    } cases[] = {
        {"1.42.4", FINDING_OK},      {"1.42", FINDING_OK},         {"1.58.1", FINDING_OK},
        {"2.0.0", FINDING_OK},       {"1.41.99", FINDING_WARNING}, {"1.30.6", FINDING_WARNING},
        {"1.30", FINDING_WARNING},   {"1.29.90", FINDING_FAILURE}, {"1.4.2", FINDING_FAILURE},
        {"0.9.10", FINDING_FAILURE}, {"", FINDING_FAILURE},        {"git", FINDING_FAILURE},
        {"1", FINDING_FAILURE},      {"0.42", FINDING_FAILURE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].version);
        g_assert_cmpint(doctor_judge_version(cases[i].version), ==, cases[i].state);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/doctor/version", test_version);
    return g_test_run();
}
