"""Whatever a request says, a command answers it or refuses it with a reason: nothing else is raised."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circus_core.commands.command import Result
from circus_core.commands.properties import Properties
from circus_core.commands.watcher_options import settable
from circus_core.errors import CircusError
from tests.controlled import FakeArbiter, find_command, kernel_commands
from tests.property.effort import examples
from tests.property.test_control_fuzz import KEYS, VALUES

NAMES = st.sampled_from(["sleeper", "LAZY", "web one", "*", "[sl]*", "s", "(", "ghost"])
MATCHES = st.sampled_from(["simple", "glob", "regex"])
OPTIONS = st.dictionaries(
    st.sampled_from([*settable(), "hooks.before_start", "stdout_stream.max_bytes", "rlimit_nofile"])
    | st.text(),
    VALUES,
    max_size=2,
)
PROPERTIES = st.builds(
    lambda likely, others: {**others, **likely},
    st.fixed_dictionaries(
        {}, optional={"name": NAMES, "match": MATCHES, "options": OPTIONS, "cmd": st.just("true")}
    ),
    st.dictionaries(KEYS, VALUES, max_size=4),
)


async def carry_out(name: str, properties: dict[str, Any]) -> Result:
    command = find_command(name)
    result: Result = await command.execute(FakeArbiter(), command.parse(Properties(properties)))
    if result.unfinished is not None:
        await result.unfinished
    return result


@pytest.mark.parametrize("name", sorted(kernel_commands()))
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(properties=PROPERTIES)
def test_a_command_answers_or_refuses(name: str, properties: dict[str, Any]) -> None:
    try:
        result = asyncio.run(carry_out(name, properties))
    except (CircusError, OSError) as error:
        reason = str(error)
    else:
        reply = {"status": "ok", "time": 1.0, **json.loads(json.dumps(result.to_json(), allow_nan=False))}
        reason = f"it is printed: {find_command(name).result.from_json(reply).to_text()}"
    assert reason
