"""Many plugins are asked; what comes of it depends on nothing but their answers."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from circus_core.clock import SystemClock
from circus_core.events import Event
from circus_core.hooks import Hooks, Verdict
from circus_core.hookspecs import hookimpl
from circus_core.plugins import HookPlugins
from tests.unit.views import AWatcher

ANSWERS = st.one_of(
    st.sampled_from([True, False, None, ValueError("boom"), SystemExit(1)]),
    st.builds(Verdict, st.booleans(), st.sampled_from(["", "someone"]), st.booleans()),
)
VOICES = st.lists(st.tuples(ANSWERS, st.booleans()), max_size=8)


class Voice:
    """Gives its answer, at once or later."""

    def __init__(self, answer: Any, *, later: bool) -> None:
        self.answer = answer
        self.later = later
        self.asked = 0

    @hookimpl
    def before_spawn(self) -> Any:
        return self._answer_later() if self.later else self._answer()

    def _answer(self) -> Any:
        self.asked += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def _answer_later(self) -> Any:
        await asyncio.sleep(0)
        return self._answer()


def _refuses(answer: object) -> bool:
    if isinstance(answer, Verdict):
        return not answer.allowed
    return answer is False or isinstance(answer, BaseException)


@given(VOICES)
def test_everybody_is_asked_once_and_one_refusal_forbids(answers: list[tuple[Any, bool]]) -> None:
    events: list[Event] = []
    manager = HookPlugins()
    hooks = Hooks(manager, publish=events.append, clock=SystemClock())
    voices = [Voice(answer, later=later) for answer, later in answers]
    for number, voice in enumerate(voices):
        manager.add(voice, f"voice-{number}")

    verdict = asyncio.run(hooks.before_spawn(AWatcher(), 1))

    refusals = [voice.answer for voice in reversed(voices) if _refuses(voice.answer)]
    stops = [answer for answer in refusals if isinstance(answer, Verdict) and answer.stop_watcher]
    assert [voice.asked for voice in voices] == [1] * len(voices)
    assert verdict.allowed is (not refusals)
    assert bool(verdict.by) is bool(refusals)
    assert verdict.stop_watcher is bool(stops)
    failures = [answer for answer, _ in answers if isinstance(answer, BaseException)]
    assert [event.action for event in events] == ["hook_failure"] * len(failures)
