"""`completion`: scripts for the Tab key of other shells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from circus_core.commands.arguments import Word
from circus_core.commands.command import Answer, Conversation, LocalCommand
from circus_core.errors import MessageError

__all__ = ["Completion"]

# Each asks circusctl, with CIRCUSCTL_COMPLETE set, for what the word before the cursor can become.
_BASH: Final = """\
# circusctl in bash: put this into a file in ~/.local/share/bash-completion/completions/circusctl
_circusctl() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -z $word ]] || COMPREPLY+=("$word")
    done < <(CIRCUSCTL_COMPLETE=bash COMP_LINE="${COMP_LINE:0:COMP_POINT}" \\
        COMP_WORDBREAKS="$COMP_WORDBREAKS" "${1/#\\~/$HOME}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != */ ]] || compopt -o nospace
}
complete -F _circusctl circusctl
"""
_ZSH: Final = """\
#compdef circusctl
# circusctl in zsh: put this into a file _circusctl in a folder of $fpath
_circusctl() {
    local word help
    local -a found shown
    while IFS=$'\\t' read -r word help; do
        [[ -n $word ]] || continue
        found+=("$word")
        shown+=("$word${help:+  -- $help}")
    done < <(CIRCUSCTL_COMPLETE=zsh ${~words[1]} "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    if [[ $#found == 1 && $found[1] == */ ]]; then
        compadd -S '' -d shown -a found
    else
        compadd -l -d shown -a found
    fi
}
if [[ $funcstack[1] == _circusctl ]]; then
    _circusctl "$@"
else
    compdef _circusctl circusctl
fi
"""
_FISH: Final = """\
# circusctl in fish: put this into a file ~/.config/fish/completions/circusctl.fish
function __circusctl_candidates
    set -l words (commandline -opc)
    env CIRCUSCTL_COMPLETE=fish $words "$(commandline -ct)" 2>/dev/null
end
complete -c circusctl -f -a '(__circusctl_candidates)'
"""
_SCRIPTS: Final[Mapping[str, str]] = {"bash": _BASH, "fish": _FISH, "zsh": _ZSH}


class Completion(LocalCommand):
    """Print a script that lets bash, zsh or fish complete what is typed for circusctl

    Commands, their options, and from the running circusd the names of watchers, pids, options and more.
    bash: eval "$(circusctl completion bash)"; zsh, behind compinit: the same with zsh;
    fish: circusctl completion fish | source
    """

    name = "completion"
    arguments = (Word("shell", "bash, fish or zsh", metavar="SHELL", choices=tuple(_SCRIPTS)),)

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if arguments["shell"] not in _SCRIPTS:
            raise MessageError(f"SHELL must be bash, fish or zsh, got '{arguments['shell']}'")
        return dict(arguments)

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        shell = str(properties["shell"])
        yield Answer({"shell": shell, "script": _SCRIPTS[shell]}, lambda: _SCRIPTS[shell].rstrip("\n"))
