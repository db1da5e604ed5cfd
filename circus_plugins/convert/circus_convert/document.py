"""What is written: sections with options and comments, whatever the form of the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from circus_convert.problems import Place

__all__ = ["Document", "Note", "Section", "Value"]

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class Note:
    """Something that has no equivalent, or another one than one may think; becomes a comment."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(slots=True)
class Section:
    """One section; its notes stand above it. Without options it is only its notes."""

    name: str
    options: dict[str, Value] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, place: Place, text: str) -> None:
        self.notes.append(Note(place, text))


@dataclass(slots=True)
class Document:
    """A configuration.

    Attributes:
        origin: the file it is made from, as it was given.
        extras: what it needs besides the kernel: extras of circus-core.
        remarks: comments for the head of the file.
        is_spaced: in an ini file, blanks stand around `=`.
    """

    origin: str
    sections: list[Section] = field(default_factory=list)
    extras: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    is_spaced: bool = True

    def section(self, name: str) -> Section:
        """Return the section of this name, a new one at the end if there is none."""
        for section in self.sections:
            if section.name == name:
                return section
        self.sections.append(Section(name))
        return self.sections[-1]

    def free_name(self, kind: str, name: str) -> str:
        """Return the name, or with a number behind it if a KIND has it already; case does not count."""
        taken = {section.name.lower() for section in self.sections}
        names = (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3)))
        return next(each for each in names if f"{kind}:{each}".lower() not in taken)

    def notes(self) -> list[Note]:
        return [note for section in self.sections for note in section.notes]

    def head(self) -> Iterator[str]:
        """Yield the lines of the comment at the top."""
        yield f"made from {self.origin} by circusctl convert"
        if self.extras:
            yield f"needs: pip install 'circus-core[{','.join(sorted(self.extras))}]'"
        yield from self.remarks

    def count(self, kind: str) -> int:
        """Return how many sections are called KIND:NAME."""
        return sum(section.name.startswith(f"{kind}:") for section in self.sections if section.options)
