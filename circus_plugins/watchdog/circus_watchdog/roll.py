"""Who was heard when, and who is silent for too long. Pure: times come in, in seconds of any steady clock."""

from __future__ import annotations

from dataclasses import dataclass

from circus_watchdog.settings import Rule

__all__ = ["Member", "Roll"]


@dataclass(slots=True)
class Member:
    """One process.

    Attributes:
        watcher: name as configured.
        rule: that of its watcher.
        heard: when, or when it came.
        timeout: seconds that it asked for itself, instead of those of the rule.
    """

    watcher: str
    rule: Rule
    heard: float
    timeout: float | None = None

    def is_silent(self, now: float) -> bool:
        """Tell whether it is overdue."""
        limit = self.rule.timeout if self.timeout is None else self.timeout
        return now - self.heard > limit


class Roll:
    """The processes that are to be heard, by pid."""

    def __init__(self) -> None:
        self._members: dict[int, Member] = {}

    def __contains__(self, pid: object) -> bool:
        return pid in self._members

    def add(self, pid: int, watcher: str, rule: Rule, now: float) -> None:
        """A process came up, or is found; one that is known already has the new rule from now on."""
        known = self._members.get(pid)
        if known is None:
            self._members[pid] = Member(watcher, rule, now)
        else:
            known.watcher, known.rule = watcher, rule

    def remove(self, pid: int) -> None:
        """A process ended, or was told to; unknown ones are ignored."""
        self._members.pop(pid, None)

    def restore(self, pid: int, member: Member) -> None:
        """Take in again who was removed, unless someone has come in its place."""
        self._members.setdefault(pid, member)

    def leave_alone(self, watcher: str) -> None:
        """Forget the processes of a watcher."""
        for pid in [pid for pid, member in self._members.items() if member.watcher == watcher]:
            del self._members[pid]

    def pids(self) -> set[int]:
        """Return everybody."""
        return set(self._members)

    def heard(self, pid: int, now: float) -> bool:
        """A process gave a sign of life; tell whether it is known."""
        member = self._members.get(pid)
        if member is not None:
            member.heard = now
        return member is not None

    def set_timeout(self, pid: int, seconds: float) -> None:
        """A process says how long it may be silent from now on."""
        if pid in self._members:
            self._members[pid].timeout = seconds

    def accuse(self, pid: int) -> None:
        """A process says itself that it is lost."""
        if pid in self._members:
            self._members[pid].heard = float("-inf")

    def shift(self, seconds: float) -> None:
        """So long nobody could be heard: it does not count as silence."""
        for member in self._members.values():
            member.heard += seconds

    def begin_anew(self, now: float) -> None:
        """From here on everybody can be heard."""
        for member in self._members.values():
            member.heard = now

    def silent(self, now: float) -> list[tuple[int, Member]]:
        """Return who is overdue."""
        return [(pid, member) for pid, member in self._members.items() if member.is_silent(now)]
