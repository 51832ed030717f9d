# SPDX-License-Identifier: LGPL-2.1-or-later
# Verbs and options are what `nm-trial --help` says, so that nothing here has to follow them.

function __nm_trial_verbs
    nm-trial --help | string replace -rf '^  (?=.{32}(.*)$)([a-z]+) .*' '$2\t$1'
end
function __nm_trial_options
    set -l words (commandline -opc)
    nm-trial $words[2] --help 2>/dev/null | string replace -rf '^  (?:-h, )?(--[a-z-]+)(?:=\S+)? +(.*)$' '$1\t$2'
end
function __nm_trial_profiles
    nmcli -e no -g NAME connection show 2>/dev/null
end
# Whether the verb is one of these, and the word before is no option that wants a value.
function __nm_trial_verb
    set -l words (commandline -opc)
    set -q words[2]; and contains -- $words[2] $argv
    and not contains -- $words[-1] --replace --edit --from --confirm --check --timeout --hold
end
function __nm_trial_after
    set -l words (commandline -opc)
    contains -- $words[-1] $argv
end

complete -c nm-trial -f
complete -c nm-trial -n __fish_use_subcommand -a '(__nm_trial_verbs)'
complete -c nm-trial -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -a '(__nm_trial_options)'
complete -c nm-trial -n '__nm_trial_verb start annotate guard' -a '(__nm_trial_profiles)'
complete -c nm-trial -n '__nm_trial_after --replace --edit' -a '(__nm_trial_profiles)'
complete -c nm-trial -n '__nm_trial_verb stage' -F
complete -c nm-trial -n '__nm_trial_after --from' -F
complete -c nm-trial -n '__nm_trial_after --confirm' -a 'auto manual'
complete -c nm-trial -n '__nm_trial_after --check' -a 'nm gateway none (path basename /etc/nm-trial/check.d/*)'
complete -c nm-trial -n '__nm_trial_verb confirm cancel extend wait' \
    -a '(string replace -rf \'^  "id" : "(.*)",$\' \'$1\' </run/nm-trial/status.json 2>/dev/null)'
