/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "walk.h"

#include "names.h"
#include "sim-disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEN_MAX (1U << 22) /* places in the table; a power of two */
#define DEPTHS 4

struct walk_figures *walk_figures;
static guint64 *seen; /* open addressing; 0: free */
static FILE *oracle;
static const struct sim_scene *told;

static gpointer shared(gsize size)
{
    gpointer memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        g_error("no memory for what was seen");
    return memory;
}

void walk_begin(void)
{
    g_autofree char *command =
        g_strconcat(g_getenv("PYTHON3") ? g_getenv("PYTHON3") : "python3", " -B " SIM_ORACLE, NULL);
    walk_figures = shared(sizeof *walk_figures);
    seen = shared(SEEN_MAX * sizeof *seen);
    oracle = popen(command, "w"); /* NOLINT(cert-env33-c): a path of ours */
    if (!oracle)
        g_error("no oracle");
}

int walk_end(FILE *people)
{
    int status = pclose(oracle);
    fprintf(people, "%" G_GUINT64_FORMAT " broken here%s\n", walk_figures->broken,
            status ? ", and the oracle has found some" : "");
    fflush(people);
    return status || walk_figures->broken ? 1 : 0;
}

void walk_count(int depth)
{
    walk_figures->cuts[MIN(depth, DEPTHS - 1)]++;
}

/* TRUE: it was not there. */
static gboolean add(const char *text, gboolean look_only)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    guint64 key = 0;

    for (int i = 0; i < 16; i++)
        key = key << 4 | (guint64)g_ascii_xdigit_value(sum[i]);
    key = key ? key : 1;
    for (guint64 place = key % SEEN_MAX;; place = (place + 1) % SEEN_MAX) {
        if (seen[place] == key)
            return FALSE;
        if (seen[place] != 0)
            continue;
        if (!look_only)
            seen[place] = key;
        return TRUE;
    }
}

gboolean walk_is_new(const char *where, int depth)
{
    for (int fewer = 1; fewer <= depth; fewer++) {
        g_autofree char *key = g_strdup_printf("%d%s", fewer, where);
        if (!add(key, fewer < depth))
            return FALSE;
    }
    return TRUE;
}

/* The oracle's lines */

static void say_file(const char *path, const GString *content, const char *separator)
{
    g_autofree char *data = g_base64_encode((const guchar *)content->str, content->len);
    fprintf(oracle, "%s\"%s\": \"%s\"", separator, path + 1, data);
}

static gboolean counts(const char *path, gboolean temporaries)
{
    return (temporaries || !strstr(path, "/.")) && (g_str_has_prefix(path, NM_TRIAL_PROFILE_DIR "/") ||
                                                    g_str_has_prefix(path, NM_TRIAL_STATE_DIR "/"));
}

static void say_files(gboolean temporaries)
{
    g_autoptr(GPtrArray) paths = disk_paths();
    const char *separator = "";

    fputs("\"files\": {", oracle);
    for (guint i = 0; i < paths->len; i++)
        if (counts(paths->pdata[i], temporaries)) {
            say_file(paths->pdata[i], disk_get(paths->pdata[i]), separator);
            separator = ", ";
        }
    fputs("}}\n", oracle);
    fflush(oracle);
}

static void say_device(const struct sim_scene *scene, int i)
{
    const char *good = scene->pair[i].good;

    fprintf(oracle, "%s\"%s\": {\"good\": %s%s%s, ", i ? ", " : "", scene->pair[i].device, good ? "\"" : "",
            good ? good : "null", good ? "\"" : "");
    if (scene->pair[i].content) {
        g_autofree char *text = sim_profile(scene->pair[i].content);
        g_autofree char *data = g_base64_encode((const guchar *)text, strlen(text));
        fprintf(oracle, "\"content\": \"%s\"}", data);
    } else
        fprintf(oracle, "\"candidate\": \"%s\"}", scene->pair[i].candidate);
}

void walk_tell_story(const struct sim_scene *scene)
{
    told = scene;
    fputs("{\"devices\": {", oracle);
    for (int i = 0; i < SIM_DEVICES_MAX && scene->pair[i].device; i++)
        say_device(scene, i);
    fputs("}, ", oracle);
    if (scene->hands) {
        g_autofree char *path = sim_path(scene->hands);
        fprintf(oracle, "\"hands\": [\"%s\"], ", path + 1);
    }
    say_files(TRUE);
}

void walk_judge(const char *id, const char *moment, gboolean swept, const char *answered)
{
    g_autofree char *disk = disk_files_digest(swept);
    g_autofree char *all =
        g_strdup_printf("judged %s %s %d %s %s", told->name, moment, swept, answered ? answered : "-", disk);

    if (!add(all, FALSE))
        return;
    walk_figures->disks++;
    fprintf(oracle, "{\"replay\": \"sim --replay %s\", \"moment\": \"%s\", \"answered\": %s%s%s, ", id,
            moment, answered ? "\"" : "", answered ? answered : "null", answered ? "\"" : "");
    say_files(swept);
}
