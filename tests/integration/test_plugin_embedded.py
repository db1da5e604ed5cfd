"""A plugin inside a program that embeds the arbiter, without any endpoint."""

from __future__ import annotations

import threading
from queue import Queue

from circus_core import CircusPlugin, ReceivedEvent, get_arbiter
from circus_core.testing import until

HEARD: Queue[tuple[str, str, object]] = Queue()


class Collector(CircusPlugin):
    """Tells this test what it hears, and what it was answered."""

    def handle_event(self, event: ReceivedEvent) -> None:
        if event.watcher == "web":
            HEARD.put(
                (event.action, threading.current_thread().name, self.call("numwatchers")["numwatchers"])
            )

    def handle_stop(self) -> None:
        HEARD.put(("end", threading.current_thread().name, self.config["colour"]))


def test_it_hears_and_asks_in_a_thread_of_the_host() -> None:
    arbiter = get_arbiter(
        [{"name": "web", "cmd": "sleep 1000", "autostart": False}],
        plugins=[
            {
                "name": "x",
                "use": f"{__name__}.Collector",
                "run_in": "daemon",
                "colour": "red",
                "autostart": True,
            }
        ],
        with_endpoints=False,
        background=True,
    )
    with arbiter:
        plugin = arbiter.get_watcher("plugin:x")
        until(lambda: any(each.started for each in plugin.processes.values()))
        events: list[str] = []
        arbiter.listeners.append(lambda event: events.append(event.topic))
        web = arbiter.get_watcher("web")
        arbiter.call(web.start, 20)
        arbiter.call(web.stop, 20)
        heard = [HEARD.get(timeout=20)]
        while heard[-1][0] != "stop":  # an arbiter that ends does not answer the plugin any more
            heard.append(HEARD.get(timeout=20))
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "plugin:x"])
    heard += [HEARD.get(timeout=20) for _ in range(HEARD.qsize())]
    assert {thread for _, thread, _ in heard} == {"plugin:x"}
    assert {"spawn", "start", "reap", "stop"} <= {action for action, _, _ in heard}
    assert {answer for action, _, answer in heard if action != "end"} == {2}
    assert heard[-1] == ("end", "plugin:x", "red")
