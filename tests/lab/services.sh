#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a device of the lab starts once its disk is in place, in a device's order. It knows nothing of tests. For
# whoever is process 1 to read in: init.sh, uml-init.sh.
# shellcheck disable=SC2154 # dir, and the device's options
set -eu

"$lab/journal.py" /run/systemd/journal/socket "$dir/journal" &
while ! [ -S /run/systemd/journal/socket ]; do sleep 0.01; done
dbus-daemon --config-file="$lab/dbus.conf" --nofork --nopidfile &
while ! [ -S /run/dbus/system_bus_socket ]; do sleep 0.01; done
: >/run/ready # device.py plugs the cables in now
while ! [ -e /sys/class/net/eth0 ] || ! [ -e /sys/class/net/eth1 ]; do sleep 0.01; done

# As systemd has it: nm-trial-boot.service runs before NetworkManager's first start. Its limit is the unit's.
network_manager() {
  while :; do
    while [ -e /run/lab-hold-nm ]; do sleep 0.05; done
    if [ "$trial_boot" = yes ] && ! [ -e /run/lab-booted ]; then
      timeout 20 nm-trial boot >>"$dir/agent.log" 2>&1 || echo "nm-trial boot failed, status $?" >>"$dir/agent.log"
    fi
    : >/run/lab-booted
    NetworkManager --no-daemon >>"$dir/nm.log" 2>&1 || :
    sleep 0.1
  done
}

# As nm-trial.service has it (Restart=on-failure, RestartSec=1), but for a device without systemd: always there.
# Behind nm-trial boot, as the unit is.
agent() {
  while ! [ -e /run/lab-booted ]; do sleep 0.01; done
  while :; do
    while [ -e /run/lab-hold-agent ]; do sleep 0.05; done
    status=0
    nm-trial agent >>"$dir/agent.log" 2>&1 || status=$?
    echo "nm-trial agent ended, status $status" >>"$dir/agent.log"
    sleep 1
  done
}

network_manager &
[ "$trial_agent" = no ] || agent &
wait
