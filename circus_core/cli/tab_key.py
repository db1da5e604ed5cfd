"""The Tab key in bash, zsh and fish: what the scripts of `circusctl completion` ask for.

The variable CIRCUSCTL_COMPLETE names the shell. bash passes the line up to the cursor in COMP_LINE and its
own COMP_WORDBREAKS; zsh and fish pass the words behind the program up to the cursor as arguments, the last
one being what is begun.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from circus_core.cli.command_line import PROGRAM_VALUES, Settings, parse
from circus_core.cli.completion import Candidate, Completer
from circus_core.cli.conversation import ControlConversation
from circus_core.cli.installed import InstalledCommands
from circus_core.cli.live import Live
from circus_core.cli.words import Begun, split
from circus_core.errors import CircusError

__all__ = ["complete"]

_SPECIAL = re.compile(r"([^\w@%+=:,./-])")


def complete(words: Sequence[str], commands: InstalledCommands) -> int:
    """Print the candidates, one to a line, with what they are behind a tab (not for bash); returns 0.

    Never says anything else: it would stand in the line of somebody who types.
    """
    is_bash = os.environ["CIRCUSCTL_COMPLETE"] == "bash"
    begun = _from_bash() if is_bash else Begun(tuple(words[:-1]), "".join(words[-1:]), 0)
    with ControlConversation(_settings(begun.words, commands)) as daemon:
        found = Completer(commands, Live(daemon)).candidates(begun.words, begun.word)
    lines = _for_bash(found, begun) if is_bash else [f"{each.word}\t{each.help}" for each in found]
    print("\n".join(lines))
    return 0


def _settings(words: Sequence[str], commands: InstalledCommands) -> Settings:
    """Return where the daemon is, as far as it is typed; behind ssh nobody is asked on a key stroke."""
    own: list[str] = []
    for at, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if name.removeprefix("--") in PROGRAM_VALUES and word.startswith("--"):
            own += [word] if equals else words[at : at + 2]
    try:
        return parse(own, commands).settings
    except CircusError:
        return Settings()


def _from_bash() -> Begun:
    begun = split(os.environ.get("COMP_LINE", ""))
    return Begun(begun.words[1:], begun.word, begun.start, begun.quote)


def _for_bash(found: Sequence[Candidate], begun: Begun) -> list[str]:
    """Return what bash puts in the place of its word, which begins behind the last of its word breaks."""
    if begun.quote:
        return [each.word for each in found]
    # A blank in the word was quoted, or it would have ended it.
    breaks = [each for each in os.environ.get("COMP_WORDBREAKS", "") if not each.isspace() and each != "\\"]
    kept = max((begun.word.rfind(each) for each in breaks), default=-1) + 1
    return [_SPECIAL.sub(r"\\\1", each.word[kept:]) for each in found]
