"""`circus.get_arbiter`: an arbiter from mappings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from circus._gevent import warn_of_stream_backend
from circus.arbiter import Arbiter, ThreadedArbiter
from circus.watcher import Watcher

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop

__all__ = ["ArbiterHandler", "get_arbiter"]

_CONTROL: Final = "tcp://127.0.0.1:5555"
_EVENTS: Final = "tcp://127.0.0.1:5556"
_ARBITER_ONLY: Final = frozenset(
    {
        "prereload_fn", "sockets", "warmup_delay", "httpd_host", "httpd_port", "httpd_close_outputs",
        "debug_gc", "ssh_server", "pidfile", "loglevel", "logoutput", "loggerconfig", "fqdn_prefix", "umask",
        "endpoint_owner",
    }
)  # fmt: skip


class ArbiterHandler:
    """Makes arbiters; `circus.get_arbiter` is one of these."""

    def __call__(
        self,
        watchers: Iterable[Mapping[str, Any]] | str,
        controller: str | None = None,
        pubsub_endpoint: str | None = None,
        statsd: bool = False,
        stats_endpoint: str | None = None,
        statsd_close_outputs: bool = False,
        multicast_endpoint: str | None = None,
        env: Mapping[str, str] | None = None,
        name: str | None = None,
        context: Any = None,
        background: bool = False,
        stream_backend: str | None = None,
        httpd: bool = False,
        plugins: Iterable[Mapping[str, Any]] | None = None,
        debug: bool = False,
        proc_name: str = "circusd",
        loop: IOLoop | None = None,
        check_delay: float = 1.0,
        **kw: Any,
    ) -> Arbiter:
        """Make an arbiter, not started.

        Args:
            watchers: mappings of the parameters of Watcher, `cmd` at least; they are not changed. Or one
                command line, as the oldest pages have it: `get_arbiter("myprogram", numprocesses=3)`.
            env, name: of that one watcher; not used with mappings.
            multicast_endpoint: None: nobody finds the daemon by asking around.
            stream_backend: means nothing any more, and is warned of.
            kw: parameters of Arbiter; with a command line also of Watcher.
        """
        if stream_backend is not None:
            warn_of_stream_backend(stream_backend, 2)
        if stats_endpoint is not None and not statsd:
            warnings.warn("say statsd=True, too, for a stats_endpoint", DeprecationWarning, stacklevel=2)
        if isinstance(watchers, str):
            own = {key: kw.pop(key) for key in list(kw) if key not in _ARBITER_ONLY}
            watchers = [{"cmd": watchers, "name": name, "env": env, **own}]
        return self._get_arbiter_klass(background)(
            [Watcher.load_from_config(each) for each in watchers],
            controller or _CONTROL,
            pubsub_endpoint or _EVENTS,
            check_delay=check_delay,
            context=context,
            loop=loop,
            statsd=statsd or stats_endpoint is not None,
            stats_endpoint=stats_endpoint,
            statsd_close_outputs=statsd_close_outputs,
            multicast_endpoint=multicast_endpoint,
            plugins=None if plugins is None else list(plugins),
            httpd=httpd,
            debug=debug,
            proc_name=proc_name,
            **kw,
        )

    def _get_arbiter_klass(self, background: bool) -> type[Arbiter]:
        return ThreadedArbiter if background else Arbiter


get_arbiter = ArbiterHandler()
