# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Verbs and options are what `nm-trial --help` says, so that nothing here has to follow them.

_nm_trial() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} words=
  if [[ $word == '=' ]]; then word=; fi
  if [[ $previous == '=' ]]; then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    words=$(nm-trial --help | sed -n 's/^  \([a-z]\+\) .*/\1/p')
  elif [[ $word == -* ]]; then
    words=$(nm-trial "$verb" --help 2>/dev/null | sed -n 's/^  \(-h, \)\?\(--[a-z-]*\).*/\2/p')
  else
    case $previous in
      --from) compopt -o default; return ;;
      --confirm) words=$'auto\nmanual' ;;
      --check) words=$(printf '%s\n' nm gateway none; ls /etc/nm-trial/check.d 2>/dev/null) ;;
      --timeout | --hold) return ;;
      --replace | --edit) words=$(nmcli -e no -g NAME connection show 2>/dev/null) ;;
      *)
        case $verb in
          start | annotate | guard) words=$(nmcli -e no -g NAME connection show 2>/dev/null) ;;
          stage) compopt -o default; return ;;
          confirm | cancel | extend | wait)
            words=$(sed -n 's/^  "id" : "\(.*\)",$/\1/p' /run/nm-trial/status.json 2>/dev/null) ;;
        esac
        ;;
    esac
  fi
  local one
  while IFS= read -r one; do
    if [[ -n $one && $one == "$word"* ]]; then COMPREPLY+=("$(printf %q "$one")"); fi
  done <<<"$words"
}
complete -F _nm_trial nm-trial
