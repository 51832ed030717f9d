/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include "journal.h"
#include "names.h"
#include "profile.h"
#include "profiles.h"
#include "terminal.h"
#include "verbs.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <unistd.h>

#define DOCTOR_SCHEMA 1
#define TEXT_MAX 1000

static const struct {
    const char *name;
    void (*examine)(Doctor *doctor);
} examinations[] = {
    {"networkmanager", doctor_networkmanager},
    {"connectivity", doctor_connectivity},
    {"dispatcher", doctor_dispatcher},
    {"units", doctor_units},
    {"executables", doctor_executables},
    {"storage", doctor_storage},
    {"profiles", doctor_profiles},
    {"copiers", doctor_copiers},
    {"leftovers", doctor_leftovers},
};

static const struct {
    const char *name;
    const char *shown; /* a failure must be seen without colours, too */
    enum terminal_colour colour;
} states[] = {
    [FINDING_OK] = {"ok", "ok     ", TERMINAL_GREEN},
    [FINDING_WARNING] = {"warning", "warning", TERMINAL_YELLOW},
    [FINDING_FAILURE] = {"failure", "FAILURE", TERMINAL_RED},
};

static void finding_free(gpointer data)
{
    struct finding *finding = data;
    g_free(finding->text);
    g_free(finding->advice);
    g_free(finding);
}

void doctor_say(Doctor *doctor, enum finding_state state, char *text, char *advice)
{
    struct finding *finding = g_new0(struct finding, 1);
    finding->name = doctor->name;
    finding->state = state;
    finding->text = journal_clean_to(text, TEXT_MAX);
    finding->advice = journal_clean_to(advice, TEXT_MAX);
    g_ptr_array_add(doctor->findings, finding);
    g_free(text);
    g_free(advice);
}

void doctor_say_well(Doctor *doctor, guint before, char *text)
{
    if (doctor->findings->len == before)
        doctor_say(doctor, FINDING_OK, text, NULL);
    else
        g_free(text);
}

/* D-Bus */

GVariant *doctor_call(const Doctor *doctor, const char *name, const char *path, const char *interface,
                      const char *method, GVariant *arguments, const char *reply, GError **error)
{
    return bus_call(network_bus(doctor->network), NETWORK_CALL_MS, name, path, interface, method, arguments,
                    reply, error);
}

GVariant *doctor_property(const Doctor *doctor, const char *name, const char *path, const char *interface,
                          const char *property, const char *type)
{
    g_autoptr(GVariant) reply = doctor_call(doctor, name, path, DBUS_IFACE_PROPERTIES, "Get",
                                            g_variant_new("(ss)", interface, property), "(v)", NULL);
    g_autoptr(GVariant) box = reply ? g_variant_get_child_value(reply, 0) : NULL;
    g_autoptr(GVariant) value = box ? g_variant_get_variant(box) : NULL;
    return value && g_variant_is_of_type(value, G_VARIANT_TYPE(type)) ? g_steal_pointer(&value) : NULL;
}

char *doctor_unit_state(const Doctor *doctor, const char *unit, GError **error)
{
    char *state = NULL;
    g_autoptr(GVariant) reply = doctor_call(doctor, SYSTEMD_BUS_NAME, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER,
                                            "GetUnitFileState", g_variant_new("(s)", unit), "(s)", error);
    if (reply)
        g_variant_get(reply, "(s)", &state);
    return state;
}

/* What several examinations need to know, asked once. */

static void look(Doctor *doctor)
{
    g_autoptr(GError) error = NULL;

    if (!network_bus(doctor->network))
        doctor->away = g_strdup("the system bus cannot be reached");
    else
        (void)network_look(doctor->network, &doctor->away);
    g_autoptr(GVariant) systemd =
        doctor_property(doctor, SYSTEMD_BUS_NAME, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "Version", "s");
    doctor->systemd = systemd != NULL;
    doctor->record = engine_load(NM_TRIAL_STATE_DIR, &error);
    doctor->unreadable = error ? g_strdup(error->message) : NULL;
    doctor->skipped = profile_skipped_new();
    doctor->profiles = profile_read_directory(NM_TRIAL_PROFILE_DIR, doctor->skipped);
    doctor->findings = g_ptr_array_new_with_free_func(finding_free);
}

static void doctor_clear(Doctor *doctor)
{
    g_clear_pointer(&doctor->away, g_free);
    g_clear_pointer(&doctor->unreadable, g_free);
    g_clear_pointer(&doctor->record, record_free);
    g_clear_pointer(&doctor->profiles, g_ptr_array_unref);
    g_clear_pointer(&doctor->skipped, g_ptr_array_unref);
    g_clear_pointer(&doctor->findings, g_ptr_array_unref);
    g_clear_pointer(&doctor->network, network_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Doctor, doctor_clear)

/* What was found */

static guint count(const Doctor *doctor, enum finding_state state)
{
    guint n = 0;
    for (guint i = 0; i < doctor->findings->len; i++)
        n += ((const struct finding *)doctor->findings->pdata[i])->state == state;
    return n;
}

static void print_json(const Doctor *doctor)
{
    JsonArray *findings = json_array_new();
    g_autoptr(JsonObject) object = json_object_new();
    g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);

    for (guint i = 0; i < doctor->findings->len; i++) {
        const struct finding *finding = doctor->findings->pdata[i];
        JsonObject *entry = json_object_new();
        json_object_set_string_member(entry, "name", finding->name);
        json_object_set_string_member(entry, "state", states[finding->state].name);
        json_object_set_string_member(entry, "text", finding->text);
        json_object_set_string_member(entry, "advice", finding->advice);
        json_array_add_object_element(findings, entry);
    }
    json_object_set_int_member(object, "schema", DOCTOR_SCHEMA);
    json_object_set_boolean_member(object, "ok", count(doctor, FINDING_FAILURE) == 0);
    json_object_set_array_member(object, "findings", findings);
    g_autofree char *text = json_to_string(root, TRUE);
    printf("%s\n", text);
}

static void print_text(const Doctor *doctor)
{
    guint failures = count(doctor, FINDING_FAILURE), warnings = count(doctor, FINDING_WARNING);

    for (guint i = 0; i < doctor->findings->len; i++) {
        const struct finding *finding = doctor->findings->pdata[i];
        g_autofree char *state =
            terminal_mark(STDOUT_FILENO, states[finding->state].colour, "", states[finding->state].shown);
        terminal_print("", "%s  %-16s %s", state, finding->name, finding->text);
        if (*finding->advice)
            terminal_print("         ", "advice: %s", finding->advice);
    }
    printf("%s: %u failure%s, %u warning%s.\n",
           failures ? "A trial on this device cannot be trusted" : "This device is fit for trials", failures,
           failures == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
}

int verb_doctor(int argc, char **argv)
{
    g_auto(Doctor) doctor = {0};
    gboolean json = FALSE;
    const GOptionEntry entries[] = {{"json", 0, 0, G_OPTION_ARG_NONE, &json, "For scripts", NULL}, {0}};

    if (!verb_parse(&argc, &argv, entries, 0, 0, "",
                    "Examines whether this device is set up so that a trial can be trusted, and says what to "
                    "do where it is\nnot. Changes nothing. Exit code 0: fit (warnings are no failures), 1: "
                    "not.\n\nExample:\n"
                    "  nm-trial doctor --json | jq -r '.findings[] | select(.state == \"failure\") | .text'"))
        return EXIT_USAGE;
    if (!verb_root())
        return EXIT_FAILED;
    doctor.network = network_new();
    profiles_choose();
    look(&doctor);
    for (gsize i = 0; i < G_N_ELEMENTS(examinations); i++) {
        doctor.name = examinations[i].name;
        examinations[i].examine(&doctor);
    }
    if (json)
        print_json(&doctor);
    else
        print_text(&doctor);
    return verb_answered(count(&doctor, FINDING_FAILURE) ? EXIT_FAILED : EXIT_DONE);
}
