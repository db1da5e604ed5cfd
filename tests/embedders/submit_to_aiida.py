"""Run by AiiDA's interpreter: have the daemon's workers add two numbers."""

from __future__ import annotations

import time

from aiida import engine, orm  # type: ignore[import-not-found]

PATIENCE = 60.0  # seconds

code = orm.InstalledCode(
    label="add",
    default_calc_job_plugin="core.arithmetic.add",
    computer=orm.load_computer("localhost"),
    filepath_executable="/bin/bash",
).store()
builder = code.get_builder()
builder.x, builder.y = orm.Int(20), orm.Int(22)
builder.metadata.options.resources = {"num_machines": 1}
node = engine.submit(builder)
deadline = time.monotonic() + PATIENCE
while not node.is_terminated and time.monotonic() < deadline:
    time.sleep(0.05)
print("sum:", node.outputs.sum.value if node.is_finished_ok else node.process_state)
