/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other side of the agent: how anybody else sees it and asks for it. Its sign of life is a lock on a
 * file, which the kernel takes back whatever way it dies; what it has taken up stands in that file. */
#include "agent.h"
#include "names.h"
#include "os.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define ASK_MS 500
#define LOOK_MS 2 /* `start` waits for it with the network still as it was */
#define PATIENCE_MS 1500

char *agent_trial(const char *run_dir)
{
    g_autofree char *path = g_build_filename(run_dir, NM_TRIAL_AGENT, NULL);
    char text[RECORD_ID_LENGTH + 1] = "";
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    gboolean lives;

    if (fd < 0)
        return NULL;
    lives = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (lives && (pread(fd, text, RECORD_ID_LENGTH, 0) != RECORD_ID_LENGTH || !record_id_valid(text)))
        text[0] = '\0';
    close(fd);
    return lives ? g_strdup(text) : NULL;
}

static GVariant *ask_systemd(Network *network, const char *method, GVariant *arguments, GError **error)
{
    return bus_call(network_bus(network), NETWORK_CALL_MS, SYSTEMD_BUS_NAME, SYSTEMD_PATH,
                    SYSTEMD_IFACE_MANAGER, method, arguments, NULL, error);
}

static gboolean lives(const char *run_dir)
{
    g_autofree char *trial = agent_trial(run_dir);
    return trial != NULL;
}

gboolean agent_available(Network *network, const char *run_dir, char **ret_why)
{
    gint64 until_ms = os.boottime_ms() + PATIENCE_MS;
    g_autoptr(GError) error = NULL;

    if (lives(run_dir))
        return TRUE;
    g_autoptr(GVariant) reply =
        ask_systemd(network, "GetUnitFileState", g_variant_new("(s)", NM_TRIAL_UNIT), &error);
    if (reply)
        return TRUE;
    while (!lives(run_dir)) { /* one in the foreground that was killed may just be on its way back */
        if (os.boottime_ms() >= until_ms) {
            *ret_why = g_strdup(error->message);
            return FALSE;
        }
        g_usleep(LOOK_MS * 1000);
    }
    return TRUE;
}

gboolean agent_summon(Network *network, const char *run_dir, const char *id, gint64 until_ms)
{
    gint64 ask_again_ms = 0;

    for (;;) {
        g_autofree char *has = agent_trial(run_dir);
        gint64 now_ms = os.boottime_ms();
        if (has && (!id || strcmp(has, id) == 0))
            return TRUE;
        if (now_ms >= until_ms)
            return FALSE;
        if (now_ms >= ask_again_ms) { /* again: an idle one may just be going */
            g_autoptr(GVariant) reply =
                ask_systemd(network, "StartUnit", g_variant_new("(ss)", NM_TRIAL_UNIT, "replace"), NULL);
            ask_again_ms = os.boottime_ms() + ASK_MS;
        }
        g_usleep(LOOK_MS * 1000); /* a lock tells nobody that it was taken */
    }
}
