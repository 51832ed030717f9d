#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Process 1 of the lab's device: mounts its disk, then starts what a device starts (services.sh).
# What differs between devices is in $1/options, written by device.py.
# shellcheck disable=SC1091,SC2154 # the options are the device's
set -eu
dir=$1
. "$dir/options"

mount --make-rprivate /
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys # read-only: NetworkManager then does not wait for udev
mount -t tmpfs -o mode=0755 tmpfs /run
mount --rbind "$dir/disk/etc" /etc # with what a test has mounted in there
mount --rbind "$dir/disk/var" /var
mount --bind "$dir/sbin" /usr/local/sbin
mount --bind "$dir/boot_id" /proc/sys/kernel/random/boot_id
mkdir -p /run/dbus /run/systemd/journal
ip link set lo up

. "$lab/services.sh"
