"""What is typed, also where it is no text."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver

__all__ = ["PatientDriver"]


class PatientDriver(LinuxDriver):
    """Leaves out what is not UTF-8, as a bad line or a paste sends it; Textual's own ends the program."""

    def run_input_thread(self) -> None:
        while not self.exit_event.is_set():
            try:
                super().run_input_thread()
            except UnicodeDecodeError:
                continue
            return
