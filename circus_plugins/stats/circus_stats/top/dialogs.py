"""What is asked before something is done, and the page of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from circus_stats.top.actions import SIGNALS

__all__ = ["Choice", "Help", "Question"]

_BOX = """
    {name} {{ align: center middle; }}
    {name} > .box {{
        width: auto; max-width: 90%; height: auto; max-height: 90%;
        padding: 0 1; border: solid; background: ansi_default;
    }}
    {name}.ascii > .box {{ border: ascii; }}
"""


class Question(ModalScreen[bool]):
    """Asks whether something is to be done; only `y` means yes."""

    DEFAULT_CSS: ClassVar[str] = _BOX.format(name="Question") + "Question Static { width: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,Y", "answer(True)"),
        Binding("n,N,escape,enter,q", "answer(False)"),
    ]

    def __init__(self, question: str, *, is_ascii: bool) -> None:
        super().__init__(classes="ascii" if is_ascii else None)
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(f"{self._question}\n"))
            yield Static(Text("y  yes      n  no", style="bold"))

    def action_answer(self, is_yes: bool) -> None:
        self.dismiss(is_yes)


class Choice(ModalScreen[str | None]):
    """Lets somebody choose a signal, or none."""

    DEFAULT_CSS: ClassVar[str] = (
        _BOX.format(name="Choice")
        + """
    Choice Static { width: auto; }
    Choice OptionList { width: 24; height: auto; max-height: 14; background: ansi_default; }
    Choice OptionList, Choice OptionList:focus { border: none; padding: 0; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave")]

    def __init__(self, target: str, *, is_ascii: bool) -> None:
        super().__init__(classes="ascii" if is_ascii else None)
        self._target = target

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(f"Which signal for {self._target}?"))
            yield OptionList(*(Option(f"SIG{name}", id=name) for name in SIGNALS))
            yield Static(Text("enter  send      esc  none", style="bold"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_leave(self) -> None:
        self.dismiss(None)


class Help(ModalScreen[None]):
    """Shows the keys."""

    DEFAULT_CSS: ClassVar[str] = (
        _BOX.format(name="Help") + "Help > .box { width: 80; } Help Static { width: 100%; }"
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1,enter", "leave")]

    def __init__(self, keys: Sequence[tuple[str, str]], note: str, *, is_ascii: bool) -> None:
        """`note` is shown below the keys."""
        super().__init__(classes="ascii" if is_ascii else None)
        self._keys = keys
        self._note = note

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box"):
            yield Static(self._page())

    def _page(self) -> Text:
        page = Text()
        for key, meaning in self._keys:
            page.append(f"{key:14}", style="bold")
            page.append(f"{meaning}\n")
        return page.append(f"\n{self._note}")

    def action_leave(self) -> None:
        self.dismiss(None)
