"""Write the part of docs/hooks.md that says the same as the docstrings in circus_core/hookspecs.

python docs/generate_hooks.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from circus_core.hookspecs import SPECS

PAGE = Path(__file__).with_name("hooks.md")
BEGIN, END = "<!-- made by generate_hooks.py: begin -->", "<!-- made by generate_hooks.py: end -->"
PARTS = ("When", "Args", "Returns", "Combining", "Failure", "Example")

_HEAD = re.compile(rf"^({'|'.join(PARTS)}):(?: |$)", re.MULTILINE)


def specifications(module: ModuleType) -> Iterator[Callable[..., object]]:
    """Yield the hooks of a family in the order of the source."""
    found = [getattr(module, name) for name in module.__all__]
    yield from sorted(found, key=lambda function: function.__code__.co_firstlineno)


def parts(function: Callable[..., object]) -> dict[str, str]:
    """Split a docstring into "Summary" and what stands under each heading, indentation removed."""
    pieces = _HEAD.split(inspect.getdoc(function) or "")
    texts = {name: inspect.cleandoc(text) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    return {"Summary": pieces[0].strip(), **texts}


def render() -> str:
    """Return the generated part, families in the order of SPECS."""
    return "\n\n".join(_family(module) for module in SPECS)


def page() -> str:
    """Return the whole page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{render()}\n\n{END}{tail}"


def _family(module: ModuleType) -> str:
    title = module.__name__.rpartition(".")[2].capitalize()
    sections = [_section(function) for function in specifications(module)]
    return "\n\n".join([f"## {title}", inspect.getdoc(module) or "", *sections])


def _section(function: Callable[..., object]) -> str:
    text = parts(function)
    arguments = ", ".join(inspect.signature(function).parameters)
    lines = [
        f"### {function.__name__}({arguments})",
        "",
        text["Summary"],
        "",
        f"- **When:** {_flat(text['When'])}",
        *_arguments(text["Args"]),
        f"- **Returns:** {_flat(text['Returns'])}",
        f"- **Combining:** {_flat(text['Combining'])}",
        f"- **Failure:** {_flat(text['Failure'])}",
        "",
        "```python",
        text["Example"],
        "```",
    ]
    return "\n".join(lines)


def _arguments(text: str) -> Iterator[str]:
    if text == "none.":
        yield "- **Arguments:** none"
        return
    yield "- **Arguments:**"
    for argument in re.split(r"\n(?=\w)", text):
        name, _, meaning = argument.partition(":")
        yield f"    - `{name}`: {_flat(meaning)}"


def _flat(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
