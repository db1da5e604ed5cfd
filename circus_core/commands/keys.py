"""`keys`: the keys that tell programs apart where other machines can reach circusd."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from circus_core.commands.arguments import Option, Word
from circus_core.commands.command import Answer, Conversation, LocalCommand
from circus_core.errors import MessageError

if TYPE_CHECKING:
    from circus_core.access.keyring import Admission, Keyring

__all__ = ["Keys"]

_Act = Callable[["Keyring", Sequence[str], Mapping[str, Any]], Answer]


class Keys(LocalCommand):
    """Make, show, admit and revoke keys for endpoints that other machines can reach

    make: a pair for circusd and one for you, who are admitted; what is there stays as it is.
    show: your key, that of circusd, who is admitted and which daemons are known.
    admit KEY: let the owner of a public key in, to do everything or with --role read to look.
    revoke KEY-or-NAME: let it in no more; open connections end too.
    trust ENDPOINT KEY: what the circusd at tcp://HOST:PORT, or at all ports of tcp://HOST, must show.

    The folder is $CIRCUS_KEYS, or circus/keys in $XDG_CONFIG_HOME or ~/.config. circusd is not asked, it
    looks there by itself.
    """

    name = "keys"
    arguments = (
        Word(
            "action",
            "make, show, admit, revoke or trust",
            metavar="ACTION",
            choices=("make", "show", "admit", "revoke", "trust"),
        ),
        Word("about", "keys, names, endpoints", metavar="WORD", is_required=False, is_many=True),
        Option("role", "what a key is admitted for: full (default) or read", choices=("full", "read")),
        Option("name", "how an admitted key is called, one word"),
    )

    def message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        action, about = arguments["action"], arguments.get("about", [])
        if action not in _ACTIONS:
            raise MessageError(f"keys must be followed by {', '.join(_ACTIONS)}, got '{action}'")
        names = _ACTIONS[action][1]
        if len(about) != len(names):
            raise MessageError(f"write: circusctl keys {' '.join((action, *names))}")
        if action != "admit" and not arguments.keys().isdisjoint({"role", "name"}):
            raise MessageError(f"--role and --name are for 'keys admit', not for 'keys {action}'")
        return dict(arguments)

    def converse(self, daemon: Conversation, properties: Mapping[str, Any]) -> Iterator[Answer]:
        from circus_core.access.keyring import Keyring
        from circus_core.access.keys import key_folder

        act, _ = _ACTIONS[properties["action"]]
        yield act(Keyring(key_folder()), properties.get("about", []), properties)


def _make(ring: Keyring, about: Sequence[str], options: Mapping[str, Any]) -> Answer:
    import getpass

    made = ring.make(getpass.getuser())
    data = {**_all(ring), "made": made}
    head = (
        f"made {' and '.join(made)} in {ring.folder}" if made else f"there are keys in {ring.folder} already"
    )
    return Answer(data, lambda: f"{head}\n{_own(data)}")


def _show(ring: Keyring, about: Sequence[str], options: Mapping[str, Any]) -> Answer:
    data = _all(ring)
    return Answer(data, lambda: _shown(data))


def _admit(ring: Keyring, about: Sequence[str], options: Mapping[str, Any]) -> Answer:
    admission = ring.admit(about[0], role=options.get("role", "full"), name=options.get("name", ""))
    return Answer({"admitted": asdict(admission)}, lambda: f"admitted {_line(admission)}")


def _revoke(ring: Keyring, about: Sequence[str], options: Mapping[str, Any]) -> Answer:
    gone = ring.revoke(about[0])
    text = "\n".join(f"revoked {_line(each)}" for each in gone)
    return Answer({"revoked": [asdict(each) for each in gone]}, lambda: text)


def _trust(ring: Keyring, about: Sequence[str], options: Mapping[str, Any]) -> Answer:
    endpoint, key = about
    known = ring.trust(endpoint, key)
    return Answer(
        {"endpoint": endpoint, "key": known}, lambda: f"the circusd at {endpoint} must show {known}"
    )


_ACTIONS: Final[Mapping[str, tuple[_Act, tuple[str, ...]]]] = {
    "make": (_make, ()),
    "show": (_show, ()),
    "admit": (_admit, ("KEY",)),
    "revoke": (_revoke, ("KEY-or-NAME",)),
    "trust": (_trust, ("ENDPOINT", "KEY")),
}


def _all(ring: Keyring) -> dict[str, Any]:
    client, server = ring.client(), ring.server()
    return {
        "folder": str(ring.folder),
        "client": client.public if client else None,
        "server": server.public if server else None,
        "admitted": [asdict(each) for each in ring.admitted()],
        "servers": [
            {"endpoint": endpoint, "key": key, "note": note} for endpoint, key, note in ring.servers()
        ],
    }


def _own(data: Mapping[str, Any]) -> str:
    return f"yours    {data['client'] or 'none'}\ncircusd  {data['server'] or 'none'}"


def _shown(data: Mapping[str, Any]) -> str:
    admitted = [f"  {each['key']} {each['role']} {each['name']}" for each in data["admitted"]]
    servers = [f"  {each['endpoint']} {each['key']} {each['note']}".rstrip() for each in data["servers"]]
    return "\n".join(
        [
            f"keys in {data['folder']}",
            _own(data),
            "admitted by circusd:",
            *(admitted or ["  nobody"]),
            "known daemons:",
            *(servers or ["  none"]),
        ]
    )


def _line(admission: Admission) -> str:
    return f"{admission.name} ({admission.role}) {admission.key}"
