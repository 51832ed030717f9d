#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Process 1 of a machine of the lab with a kernel of its own (uml.py). Its root is this machine's, read-only; its disk
# is an ext4 of its own, on which /etc and /var lie; $dir, which the kernel's command line names, is where it may write
# what is to be seen outside at once: journal and logs.
# shellcheck disable=SC1091,SC2154 # the options are the machine's
set -eu
trap 'echo o >/proc/sysrq-trigger; sleep 9' EXIT # else a failure here would leave a kernel that has panicked
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 tmpfs /run
ln -sfn /proc/self/fd /dev/fd
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts # the carrier's pppd wants one
mount -t hostfs -o "$dir" none "$dir"
. "$dir/options"
mount -t ext4 /dev/ubda /mnt
mount --bind /mnt/etc /etc
mount --bind /mnt/var /var
mount --bind "$dir/sbin" /usr/local/sbin
mkdir -p /run/dbus /run/systemd/journal /run/lock /run/modules/lib/modules
"$lab/hand.py" /dev/ttyS0 &

# The kernel's modules lie where Debian's user-mode-linux has them.
ln -s /usr/lib/uml/modules/* /run/modules/lib/modules/
# shellcheck disable=SC2086 # a list of words
modprobe -d /run/modules -a ipv6 veth $modules

ip link set lo up

# The network that it is plugged into is a namespace in it.
ip netns add world
ip netns exec world "$lab/world.py" >/run/world &
for number in 0 1; do
  ip link add "eth$number" address "02:00:00:00:00:1$number" type veth peer name "wan$number" netns world
  ip -n world address add "10.99.$number.1/24" dev "wan$number"
  ip -n world address add "fd99:$number::1/64" dev "wan$number" nodad
  ip -n world link set "wan$number" up
done

modem() {
  while :; do
    while [ -e /run/lab-hold-modem ]; do sleep 0.05; done
    "$lab/modem.py" /dev/ptyp0 >>"$dir/modem.log" 2>&1 || sleep 0.1
  done
}

modem_manager() {
  while ! [ -e /run/ready ]; do sleep 0.05; done
  exec ModemManager --test-plugin-dir=/run/plugins >"$dir/mm.log" 2>&1
}

# shellcheck disable=SC2154 # an option, too
if [ "$modem" = yes ]; then
  # udev's word for it: a tty with a modem behind it. ModemManager asks PolicyKit, pppd locks the tty.
  mkdir -p /run/udev/rules.d /run/modem /run/plugins
  ln -sfn /run/lock /var/lock
  cp /usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service /etc/lab/dbus-services/
  cat >/run/udev/rules.d/99-modem.rules <<RULE
KERNEL=="ttyp0", ENV{ID_MM_CANDIDATE}="1", ENV{ID_MM_DEVICE_PROCESS}="1", ENV{ID_MM_PHYSDEV_UID}="modem", ENV{ID_MM_PORT_TYPE_AT_PRIMARY}="1"
RULE
  ln -s /usr/lib/*/ModemManager/libmm-plugin-generic.so /run/plugins/ # the others would only ask more questions
fi
/lib/systemd/systemd-udevd --daemon
udevadm trigger -c add -s net
if [ "$modem" = yes ]; then
  udevadm trigger -c add -s tty --sysname-match=ttyp0
  modem &
  modem_manager &
fi

. "$lab/services.sh"
