# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the checkout that it lies in. The version is that of CMakeLists.txt.
SUMMARY = "NetworkManager profiles on probation"
LICENSE = "LGPL-2.1-or-later"
LIC_FILES_CHKSUM = "file://LICENSE;md5=4fbd65380cdd255951079008b364516c"

inherit cmake externalsrc features_check pkgconfig systemd

EXTERNALSRC := "${@os.path.realpath(d.getVar('THISDIR') + '/../../../..')}"

def nm_trial_version(d):
    import re
    with open(d.getVar('EXTERNALSRC') + '/CMakeLists.txt') as source:
        return re.search(r'^project\(nm-trial VERSION (\S+)', source.read(), re.M)[1]
PV := "${@nm_trial_version(d)}"

REQUIRED_DISTRO_FEATURES = "systemd"
DEPENDS = "glib-2.0 json-glib networkmanager systemd"
# libnm is loaded where a profile is parsed, so nobody finds it by what the helper is linked with
RDEPENDS:${PN} = "libnm networkmanager"

EXTRA_OECMAKE = "-DCMAKE_BUILD_TYPE=MinSizeRel -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON -DBUILD_TESTING=OFF \
    -DNM_TRIAL_DISPATCHER_DIR=${nonarch_libdir}/NetworkManager/dispatcher.d -DNM_TRIAL_UNIT_DIR=${systemd_system_unitdir}"

# The class enables the units, and restarts them at an upgrade: the agent goes on with an open trial in its new version.
SYSTEMD_SERVICE:${PN} = "nm-trial.service nm-trial-boot.service"
FILES:${PN} += "${nonarch_libdir}/NetworkManager ${nonarch_libdir}/systemd/catalog \
    ${datadir}/bash-completion ${datadir}/fish ${datadir}/zsh"

pkg_postinst:${PN}() {
    if [ -z "$D" ]; then
        journalctl --update-catalog || true # in an image: systemd's own unit at the first boot
    fi
}

# Its failure keeps the package. An upgrade ("upgrade" to opkg and dpkg, 1 to rpm) ends nothing.
pkg_prerm:${PN}() {
    if [ -z "$D" ] && [ "$1" != upgrade ] && [ "$1" != 1 ]; then
        ${libexecdir}/nm-trial/before-removal || exit 1
    fi
}
