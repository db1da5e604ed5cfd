"""Plugins as they are found in the field."""

# mypy: ignore-errors
# ruff: noqa: SIM115, UP008, UP031  as they were written

import json
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from zmq.eventloop import ioloop

from tornado.ioloop import PeriodicCallback

from circus.plugins import CircusPlugin
from circus.plugins.statsd import BaseObserver, StatsdEmitter
from circus.util import bytes2human, to_bool


# fmt: off
class Logger(CircusPlugin):

    name = 'logger'

    def __init__(self, *args, **config):
        super(Logger, self).__init__(*args, **config)
        self.filename = config.get('filename')
        self.file = None

    def handle_init(self):
        self.file = open(self.filename, 'a+', buffering=1)

    def handle_stop(self):
        self.file.close()

    def handle_recv(self, data):
        watcher_name, action, msg = self.split_data(data)
        msg_dict = self.load_message(msg)
        self.file.write('%s %s::%r\n' % (action, watcher_name, msg_dict))


# fmt: on


class Restarter(CircusPlugin):
    """Restarts a watcher every now and then."""

    name = "restarter"

    def __init__(self, endpoint, pubsub_endpoint, check_delay, ssh_server=None, **config):
        super().__init__(endpoint, pubsub_endpoint, check_delay, ssh_server, **config)
        self.watcher = config["watcher"]
        self.once = to_bool(config.get("once", "yes"))
        self.periods = []

    def handle_init(self):
        self.periods = [
            PeriodicCallback(self.restart, 50),
            ioloop.PeriodicCallback(lambda: None, 1000),
        ]
        for period in self.periods:
            period.start()

    def restart(self):
        reply = self.call("restart", name=self.watcher)
        if reply["status"] == "ok" and self.once:
            self.periods[0].stop()

    def handle_stop(self):
        for period in self.periods:
            period.stop()

    def handle_recv(self, data):
        pass


class Emitter(StatsdEmitter):
    """Counts events of one watcher in its own way."""

    default_app_name = "old"

    def __init__(self, *args, **config):
        super(Emitter, self).__init__(*args, **config)
        self.filename = config["filename"]

    def handle_recv(self, data):
        name, action, _ = self.split_data(data)
        with open(self.filename, "a") as file:
            file.write("%s.%s\n" % (name, action))
        super(Emitter, self).handle_recv(data)


class Observer(BaseObserver):
    """Looks at memory."""

    name = "memory"
    default_app_name = "old_observer"

    def __init__(self, *args, **config):
        super(Observer, self).__init__(*args, **config)
        self.loop_rate = float(config.get("rate", 0.05))
        self.filename = config["filename"]

    def look_after(self):
        infos = self.call("stats", name=self.config["watcher"])["info"]
        with open(self.filename, "w") as file:
            json.dump({"pids": sorted(infos), "size": bytes2human(2048), "prefix": self.statsd._prefix}, file)
