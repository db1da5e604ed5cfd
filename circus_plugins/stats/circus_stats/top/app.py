"""circus-top on a terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final

from rich.style import Style
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import Input

from circus_core import CallTimeoutError, CircusError, Tunnel, UnreachableError, open_tunnel
from circus_stats.top.actions import ACTIONS, Action, Target, outcome, target_of
from circus_stats.top.bars import Bar, Details, Headings
from circus_stats.top.columns import Looks, heading
from circus_stats.top.dialogs import Choice, Help, Question
from circus_stats.top.figures import age_text, clean, end_text
from circus_stats.top.graphs import ASCII, BLOCKS, Glyphs
from circus_stats.top.output import Output
from circus_stats.top.rows import SORTS, Kind, Row, View, expandable, rows_of
from circus_stats.top.session import Session
from circus_stats.top.settings import Settings
from circus_stats.top.status import State
from circus_stats.top.styles import ALARM, BAR, CALM, FAINT, KEY
from circus_stats.top.table import Table
from circus_stats.top.terminal import PatientDriver
from circus_stats.top.title import how_it_stands, totals

__all__ = ["TopApp", "run_app"]

FRAME: Final = 0.2
"""Seconds between two pictures, at least; what is typed is shown at once."""

_SHOWN: Final = 10.0
"""Seconds that a message about an action is shown."""

_ACTION_PATIENCE: Final = 60.0
"""Seconds that the outcome of an action is waited for; it goes on anyway."""

_KEY_NAMES: Final = {"+": "plus", "-": "minus"}
"""What Textual calls them."""

_KEYS: Final = (
    ("arrows j k", "select; page up, page down, home, end"),
    ("left right", "collapse and expand; space turns"),
    ("*", "collapse or expand all"),
    ("f", "processes of all watchers in one list, or the tree"),
    ("/", "filter by name, pid or command; esc shows all"),
    ("< >", "sort by the column to the left or right, or click on a title"),
    ("o", "the other way round"),
    ("l", "output of the selected one"),
    ("p", "pause"),
    ("? F1", "this page"),
    ("q ctrl+c", "quit"),
)


class TopApp(App[int]):
    """The program. Everything it knows is in its session."""

    CSS: ClassVar[str] = """
    #filter { display: none; height: 1; border: none; padding: 0; background: ansi_default; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit"),
        Binding("ctrl+c,ctrl+q", "quit", priority=True),  # also where something is typed
        Binding("question_mark,f1", "help"),
        Binding("slash", "filter"),
        Binding("escape", "show_all"),
        Binding("less_than_sign", "sort(-1)"),
        Binding("greater_than_sign", "sort(1)"),
        Binding("o", "turn"),
        Binding("f", "flat"),
        Binding("asterisk", "fold_all"),
        Binding("l", "output"),
        Binding("p", "pause"),
        Binding("C", "log_in"),
        Binding("ctrl+z", "suspend_process"),
        *(Binding(_KEY_NAMES.get(each.key, each.key), f"act('{each.command}')") for each in ACTIONS),
    ]

    def __init__(self, settings: Settings, tunnel: Tunnel | None = None, glyphs: Glyphs = BLOCKS) -> None:
        super().__init__(driver_class=PatientDriver, ansi_color=True)
        self.theme = "ansi-dark"
        self.session = Session(settings, tunnel=tunnel, on_change=self._note_change)
        self.view = View()
        self._settings = settings
        self._tunnel = tunnel
        self._glyphs = glyphs
        self._frame: Timer | None = None
        self._is_paused = False
        self._message: tuple[str, Style] = ("", Style())
        self._message_until = 0.0
        self._title_bar = Bar(BAR, more=glyphs.more)
        self._headings = Headings(KEY + Style(underline=True))
        self._table = Table(self._looks())
        self._filter = Input(id="filter", placeholder="filter", select_on_focus=False, compact=True)
        self._details = Details(more=glyphs.more)
        self._key_bar = Bar(more=glyphs.more)

    def compose(self) -> ComposeResult:
        yield self._title_bar
        yield self._headings
        yield self._table
        yield self._details
        yield self._filter
        yield self._key_bar

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(RuntimeError, ValueError):  # not on the main thread: nobody sends us signals
                loop.add_signal_handler(number, self.exit)
        self._table.focus()
        self._draw()
        self.set_interval(1.0, self._note_change)  # how long ago things were
        self.run_worker(self.session.run(), exit_on_error=True)

    # -- to draw -----------------------------------------------------------------------------------------

    def _note_change(self) -> None:
        """Draw soon, with whatever else comes until then."""
        if self._frame is None and not self._is_paused:
            self._frame = self.set_timer(FRAME, self._draw_frame)

    def _draw_frame(self) -> None:
        self._frame = None
        self._draw()

    def _draw(self) -> None:
        rows = rows_of(self.session.model, self.view)
        self._table.show(rows, self._looks(), is_stale=self.session.status.state is State.LOST)
        self._headings.show(heading(self._table.columns, self.view, self._glyphs))
        self._draw_title()
        self._draw_details()
        self._draw_keys()

    def _draw_title(self) -> None:
        session = self.session
        said, is_good = how_it_stands(session.status, session.model, time.monotonic())
        if self._is_paused:
            said, is_good = "paused", False
        where = clean(
            self._settings.control if self._settings.may_ask_any_daemon else self._settings.endpoint
        )
        left = f" circus-top  {totals(session.model)}  {where}"
        self._title_bar.show([(left, Style())], (f" {said} ", CALM if is_good else ALARM))

    def _draw_details(self) -> None:
        text, style = self._message
        if text and time.monotonic() < self._message_until:
            self._details.tell(text, style)
            return
        filtered = f" filter: {clean(self.view.filter)} " if self.view.filter else ""
        left = f" {_details(self._table.selected)}"
        self._details.show([(left, FAINT)], (filtered, KEY) if filtered else None)

    def _draw_keys(self) -> None:
        """Show the most important keys; those of what is not allowed are dim."""
        is_allowed = not self.session.status.refusal
        parts: list[tuple[str, Style]] = []
        for key, title in (("?", "help"), ("/", "filter"), ("l", "output")):
            parts += [(f" {key}", KEY), (f" {title} ", Style())]
        for action in ACTIONS:
            parts += [(f" {action.key}", KEY if is_allowed else FAINT)]
            parts += [(f" {action.title} ", Style() if is_allowed else FAINT)]
        self._key_bar.show(parts, (" q quit ", KEY))  # the way out is shown on any screen

    def _looks(self) -> Looks:
        return Looks(glyphs=self._glyphs, now=time.time())

    def say(self, text: str, *, is_good: bool = True) -> None:
        """Show a message for a while."""
        self._message = (clean(text), Style() if is_good else ALARM)
        self._message_until = time.monotonic() + _SHOWN
        self._draw_details()

    def on_table_moved(self, message: Table.Moved) -> None:
        if self._message_until - _SHOWN <= message.at:
            self._message_until = 0.0
        self._draw_details()

    # -- what is shown -----------------------------------------------------------------------------------

    def _see(self, view: View) -> None:
        self.view = view
        self._draw()

    def on_table_folded(self, message: Table.Folded) -> None:
        collapsed = self.view.collapsed - {message.key}
        self._see(
            replace(self.view, collapsed=collapsed | ({message.key} if message.is_collapsed else set()))
        )

    def action_fold_all(self) -> None:
        everything = expandable(self.session.model)
        collapsed = frozenset() if self.view.collapsed & everything else everything
        self._see(replace(self.view, collapsed=collapsed))

    def action_flat(self) -> None:
        self._see(replace(self.view, is_flat=not self.view.is_flat))

    def action_turn(self) -> None:
        self._see(self.view.sorted_by(self.view.sort))

    def action_sort(self, by: int) -> None:
        """Sort by the next column that is shown, or by the one before."""
        names = [column.name for column, _ in self._table.columns if column.name in SORTS]
        at = names.index(self.view.sort) + by if self.view.sort in names else 0
        self._see(self.view.sorted_by(names[at % len(names)]))

    def on_headings_chosen(self, message: Headings.Chosen) -> None:
        self._see(self.view.sorted_by(message.name))

    def action_filter(self) -> None:
        self._filter.display = True
        self.screen.set_focus(self._filter)  # at once: what is typed next belongs there

    def on_input_changed(self, event: Input.Changed) -> None:
        self._see(replace(self.view, filter=event.value))

    def on_input_submitted(self, _: Input.Submitted) -> None:
        self._leave_filter()

    def action_show_all(self) -> None:
        """Leave the filter, and show all again."""
        self._filter.value = ""
        self._leave_filter()

    def _leave_filter(self) -> None:
        self._filter.display = False
        self.screen.set_focus(self._table)

    def action_pause(self) -> None:
        self._is_paused = not self._is_paused
        self._draw_title()
        self._note_change()

    def action_help(self) -> None:
        keys = [(action.key, _help_of(action)) for action in ACTIONS]
        refusal = self.session.status.refusal
        note = f"You can only look: {refusal}" if refusal else "What ends a process is asked about before."
        self.push_screen(Help([*_KEYS, *keys], note, is_ascii=self._is_ascii))

    @property
    def _is_ascii(self) -> bool:
        return self._glyphs is ASCII

    # -- what is done ------------------------------------------------------------------------------------

    def action_output(self) -> None:
        target = target_of(self._table.selected)
        if isinstance(target, str):
            self.say(target, is_good=False)
        else:
            self.push_screen(Output(self.session, target))

    def action_act(self, command: str) -> None:
        """Do something to the selected one, when it has been asked about."""
        action = next(each for each in ACTIONS if each.command == command)
        target = target_of(self._table.selected)
        status = self.session.status
        if status.refusal:
            self.say(status.refusal, is_good=False)
        elif status.state is not State.UP:
            self.say(status.trouble or "there is no connection to the daemon yet", is_good=False)
        elif isinstance(target, str):
            self.say(target, is_good=False)
        else:
            self._ask(action, action.target(target))

    def _ask(self, action: Action, target: Target) -> None:
        """Ask what has to be asked; the target stays what it was when the key was pressed."""
        if action.command == "signal":
            self.push_screen(
                Choice(target.text, is_ascii=self._is_ascii), partial(self._send_signal, action, target)
            )
        elif action.question:
            question = action.question.format(target.text)
            self.push_screen(
                Question(question, is_ascii=self._is_ascii), partial(self._do_if, action, target)
            )
        else:
            self._do(action, target)

    def _send_signal(self, action: Action, target: Target, name: str | None) -> None:
        if name is not None:
            self._do(action, target, signum=name)

    def _do_if(self, action: Action, target: Target, is_wanted: bool | None) -> None:
        if is_wanted:
            self._do(action, target)

    def _do(self, action: Action, target: Target, **more: Any) -> None:
        self.run_worker(self._carry_out(action, target, more), exit_on_error=True)

    async def _carry_out(self, action: Action, target: Target, more: Mapping[str, Any]) -> None:
        what = f"{action.command} {target.text}"
        self.say(f"{what} ...")
        try:
            properties = action.message(target, **more)
            reply = await self.session.send(action.command, timeout=_ACTION_PATIENCE, **properties)
        except UnreachableError as error:
            self.say(f"{what}: {error}", is_good=False)
        except CallTimeoutError:
            self.say(f"{what}: it takes longer than {_ACTION_PATIENCE:g} s and goes on")
        except CircusError as error:
            self.say(f"{what}: {error}", is_good=False)
        else:
            text, is_good = outcome(reply)
            self.say(f"{what}: {text}", is_good=is_good)

    def action_log_in(self) -> None:
        """Make a new login where the old one has ended.

        The terminal is ssh's meanwhile, which may ask for what it needs; nothing else goes on.
        """
        if self._settings.ssh is None or self._tunnel is None or self._tunnel.is_open:
            return
        self._tunnel.close()
        try:
            with self.suspend():
                self._tunnel = open_tunnel(self._settings.ssh, self._settings.ssh_keyfile)
        except CircusError as error:
            self.say(f"{error}", is_good=False)
        else:
            self.session.use_tunnel(self._tunnel)

    def log_out(self) -> None:
        """Close the last login; the first one is closed by whoever made it, too."""
        if self._tunnel is not None:
            self._tunnel.close()


def _help_of(action: Action) -> str:
    what = "the selected process, or all of the watcher" if action.is_of_process else "the watcher"
    return f"{action.title}: {what}"


def _details(row: Row | None) -> str:
    """Return more of the selected line than its columns hold."""
    if row is None:
        return ""
    if row.process is not None:
        process = row.process
        words = [row.name, f"pid {process.pid}", process.user, process.state, process.command]
    elif row.kind is Kind.WATCHER and row.watcher is not None:
        watcher, end = row.watcher, row.watcher.last_exit
        ended = "" if end is None else f"last exit {end_text(end.code)} (pid {end.pid})"
        if end is not None and end.at:
            ended += f" {age_text(max(0.0, time.time() - end.at))} ago"
        words = [watcher.title, watcher.state, watcher.reason, ended, watcher.command]
    else:
        words = [row.name]
    return "  ".join(word for word in words if word)


def run_app(settings: Settings, tunnel: Tunnel | None) -> int:
    """Fill the terminal until somebody quits; returns the exit status."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    app = TopApp(settings, tunnel, BLOCKS if is_utf8 else ASCII)
    try:
        app.run()
    finally:
        app.log_out()
    return app.return_code or 0
