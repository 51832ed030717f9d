# SPDX-License-Identifier: LGPL-2.1-or-later
"""`nm-trial boot` with a trial to end, beside bare.c, which knows what it will find."""
import contextlib
import pathlib
import shutil
import statistics
import tempfile

from measure import BARE, HELPER, PATH, Row, in_turn, instructions, timed
from scene import PROFILES, RECORD, cpu_ms
from trials import Trials


@contextlib.contextmanager
def interrupted():
    """The disk of a device whose power was cut in a trial, and what its next boot makes of it: (before, after)."""
    with tempfile.TemporaryDirectory(dir=pathlib.Path(__file__).parents[2] / "build") as name, Trials("boot") as scene:
        top = pathlib.Path(name)
        scene.trying()
        scene.device.power_cut()
        shutil.copytree(scene.device.disk, top / "before", symlinks=True)
        run_boot(scene.device.disk, top, [HELPER, "boot"])
        shutil.copytree(scene.device.disk, top / "after", symlinks=True)
        yield top, scene


def inside(disk, top):
    """The words that run something on that disk, in another boot than any before."""
    (top / "run").mkdir(exist_ok=True)
    return ["unshare", "--mount", "sh", "-c",
            f"mount --bind {disk}/etc/NetworkManager /etc/NetworkManager && mount --bind {disk}/var/lib /var/lib && "
            f'mount --bind {top}/run /run && exec "$@"', "sh", "env", "-i", f"PATH={PATH['PATH']}"]


def run_boot(disk, top, command):
    """Milliseconds that it takes, and of CPU."""
    (begin, end, status, cpu), = timed(1, command, inside(disk, top))
    if status != 0:
        raise RuntimeError(f"{command}: status {status}")
    return (end - begin) / 1000, cpu / 1000


def fresh(top):
    disk = top / "disk"
    if disk.exists():
        shutil.rmtree(disk)
    shutil.copytree(top / "before", disk, symlinks=True)
    shutil.rmtree(top / "run", ignore_errors=True)
    return disk


def bare_words(top):
    """The record goes to its verdict, the candidate and the history become what nm-trial has made of them."""
    good, history = f"{PROFILES}/good.nmconnection", "var/lib/nm-trial/history"
    return [BARE, "boot", top / "before" / RECORD, f"/{RECORD}", top / "after" / good, f"/{good}", top / "after" / history,
            f"/{history}"]


def counts():
    with interrupted() as (top, _):
        return {"boot, a trial to end: instructions": instructions([HELPER, "boot"], inside(fresh(top), top))}


def online(scene):
    """Milliseconds of CPU that NetworkManager has taken when a device that is switched on is online."""
    scene.device.boot()
    scene.device.wait_online()
    return cpu_ms(scene.nm_host_pid())


def rows(rounds):
    with interrupted() as (top, scene):
        ours, bare = [HELPER, "boot"], bare_words(top)
        taken = in_turn(rounds, boot=lambda: run_boot(fresh(top), top, ours), bare=lambda: run_boot(fresh(top), top, bare))
        took, cpu = zip(*taken["boot"], strict=True)
        bare_took, bare_cpu = zip(*taken["bare"], strict=True)
        yield Row("boot, a trial to end", "ms", took, "bare", bare_took, 1.3)
        yield Row("boot, a trial to end", "ms CPU", cpu, "bare", bare_cpu)
        yield Row("boot, a trial to end: instructions", "", [instructions(ours, inside(fresh(top), top))], "bare",
                  [instructions(bare, inside(fresh(top), top))])
        yield Row("boot, a trial to end", "ms CPU", [statistics.median(cpu)], "NetworkManager until online", [online(scene)])
