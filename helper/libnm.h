/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libnm, loaded when the first of its functions is needed: with what it links (GnuTLS and more) it is two
 * thirds of a start, and an event, a status or an idle boot never looks into a profile. */
#pragma once

#include <NetworkManager.h>

/* What we call of it, without the prefix `nm_`. */
#define LIBNM_FUNCTIONS(X)                                                                                   \
    X(connection_clear_secrets_with_flags)                                                                   \
    X(connection_compare)                                                                                    \
    X(connection_get_connection_type)                                                                        \
    X(connection_get_interface_name)                                                                         \
    X(connection_get_setting)                                                                                \
    X(connection_get_setting_connection)                                                                     \
    X(connection_get_setting_ip4_config)                                                                     \
    X(connection_get_setting_ip6_config)                                                                     \
    X(connection_get_setting_wired)                                                                          \
    X(connection_get_setting_wireless)                                                                       \
    X(connection_need_secrets)                                                                               \
    X(connection_normalize)                                                                                  \
    X(connection_remove_setting)                                                                             \
    X(connection_to_dbus)                                                                                    \
    X(connection_update_secrets)                                                                             \
    X(device_state_reason_get_type)                                                                          \
    X(keyfile_read)                                                                                          \
    X(keyfile_write)                                                                                         \
    X(setting_connection_get_master)                                                                         \
    X(setting_connection_get_multi_connect)                                                                  \
    X(setting_connection_get_num_permissions)                                                                \
    X(setting_ip_config_get_gateway)                                                                         \
    X(setting_ip_config_get_method)                                                                          \
    X(setting_ip_config_get_never_default)                                                                   \
    X(setting_user_get_data)                                                                                 \
    X(setting_user_get_keys)                                                                                 \
    X(setting_user_get_type)                                                                                 \
    X(setting_user_set_data)                                                                                 \
    X(setting_wired_get_mac_address)                                                                         \
    X(setting_wireless_get_mac_address)                                                                      \
    X(setting_wireless_get_ssid)                                                                             \
    X(simple_connection_new_clone)                                                                           \
    X(simple_connection_new_from_dbus)

struct libnm {
#define X(name) __typeof__(nm_##name) *(name);
    LIBNM_FUNCTIONS(X)
#undef X
};

/* Its functions, for the process's life; the first call loads it. There is no error: where it is missing, the
 * process says so and ends (status 1), as the dynamic linker has it end at its start. That is a death like
 * others: before anything is written, or with a record from which the next one goes on. The main thread only.
 */
const struct libnm *libnm(void);
