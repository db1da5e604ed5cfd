"""Commands and a hook as they are found in the field: what registers itself when it is imported."""

# mypy: ignore-errors
# ruff: noqa: I001, RUF005, RUF012, UP008, UP031  as they were written

from circus import logger
from circus.commands.base import Command
from circus.exc import ArgumentError, MessageError
from tornado import gen

from circus.util import tornado_sleep


class Greet(Command):
    """Greet a watcher

    Longer words about it.
    """

    name = "greet"
    properties = ["name"]
    options = [("", "loud", False, "shout")] + Command.waiting_options

    def message(self, *args, **opts):
        if len(args) != 1:
            raise ArgumentError("invalid number of arguments")
        return self.make_message(name=args[0], **opts)

    def validate(self, props):
        super(Greet, self).validate(props)
        if not props["name"]:
            raise MessageError("name is empty")

    def execute(self, arbiter, props):
        watcher = self._get_watcher(arbiter, props["name"])
        text = "hello %s" % watcher.name
        return {"greeting": text.upper() if props.get("loud") else text, "pids": len(watcher.processes)}

    def console_msg(self, msg):
        if msg["status"] == "ok":
            return "%s (%d)" % (msg["greeting"], msg["pids"])
        return self.console_error(msg)


class Later(Command):
    """Answer later"""

    name = "later"
    options = Command.waiting_options

    def message(self, *args, **opts):
        return self.make_message(**opts)

    @gen.coroutine
    def execute(self, arbiter, props):
        yield tornado_sleep(0.01)
        raise gen.Return({"slept": True})

    def console_msg(self, msg):
        return "slept" if msg.get("slept") else "ok"


def before_start(watcher, arbiter, hook_name, **kwargs):
    logger.info("%s of %s", hook_name, watcher.name)
    return True
