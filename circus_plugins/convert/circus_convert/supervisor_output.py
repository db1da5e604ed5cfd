"""Where the programs of Supervisor write to, as streams."""

from __future__ import annotations

from typing import Final

from circus_convert.document import Document, Section
from circus_convert.supervisor_options import Options

__all__ = ["convert_output"]

_OURS: Final = {"stdout": ("/dev/stdout", "/dev/fd/1"), "stderr": ("/dev/stderr", "/dev/fd/2")}
_OTHERS: Final = {"stdout": _OURS["stderr"], "stderr": _OURS["stdout"]}


def convert_output(options: Options, watcher: Section, document: Document) -> None:
    """Write the options of both streams; what goes to no file goes where circusd itself writes."""
    is_joined = options.flag("redirect_stderr", default=False)
    _convert("stdout", options, watcher, document)
    if not is_joined:
        _convert("stderr", options, watcher, document)
    elif watcher.options.get("close_child_stdout"):
        watcher.options["close_child_stderr"] = True
    elif "stdout_stream.class" in watcher.options:
        watcher.options["stderr_stream.class"] = "stdout"
    else:
        watcher.options["stderr_stream.class"] = "StdoutStream"
        document.extras.add("streams")
    for name in ("stdout", "stderr"):
        _note_the_rest(name, options, watcher)


def _convert(name: str, options: Options, watcher: Section, document: Document) -> None:
    key = f"{name}_logfile"
    file = options.word(key, "AUTO")
    if file.lower() == "syslog" or (_is_syslog(name, options) and file.lower() in ("auto", "none")):
        watcher.options[f"{name}_stream.class"] = "SyslogStream"
        document.extras.add("streams")
    elif file.lower() == "none" or file == "/dev/null":
        watcher.options[f"close_child_{name}"] = True
    elif file in _OTHERS[name] and name == "stderr":
        watcher.options["stderr_stream.class"] = "StdoutStream"
        document.extras.add("streams")
    elif file in _OTHERS[name]:
        watcher.note(options.place(key), f"{key}: circusd can't give a program its standard error as {name}")
    elif file.lower() == "auto":
        if key in options:
            watcher.note(
                options.place(key), f"{key} = AUTO: no files are invented; output goes to that of circusd"
            )
    elif file not in _OURS[name]:
        _to_file(name, file, options, watcher, document)


def _to_file(name: str, file: str, options: Options, watcher: Section, document: Document) -> None:
    """Both rotate before a file grows beyond a limit; those of Supervisor are there without being written."""
    watcher.options[f"{name}_stream.class"] = "FileStream"
    watcher.options[f"{name}_stream.filename"] = file
    size = options.word(f"{name}_logfile_maxbytes", "50MB")
    if size.strip("0 KMGBkmgb"):
        watcher.options[f"{name}_stream.max_bytes"] = size
        watcher.options[f"{name}_stream.backup_count"] = options.whole(f"{name}_logfile_backups", 10)
    document.extras.add("streams")


def _is_syslog(name: str, options: Options) -> bool:
    return options.flag(f"{name}_syslog", default=False)


def _note_the_rest(name: str, options: Options, watcher: Section) -> None:
    syslog, events, capture = f"{name}_syslog", f"{name}_events_enabled", f"{name}_capture_maxbytes"
    if _is_syslog(name, options) and watcher.options.get(f"{name}_stream.class") != "SyslogStream":
        watcher.note(options.place(syslog), f"{syslog}: output goes to one stream; SyslogStream is the other")
    if options.flag(events, default=False):
        watcher.note(options.place(events), f"{events}: no events of output; circusctl logs -f follows it")
    if options.word(capture, "0").strip("0 KMGBkmgb"):
        watcher.note(options.place(capture), f"{capture}: no capture mode; the tokens stay in the output")
