"""Compression of rotated files, beside the writing of the current one."""

from __future__ import annotations

import contextlib
import gzip
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from circus_streams.logfile import LogFile
    from circus_streams.rotation import Rotation

__all__ = ["SUFFIXES", "Compression", "Packer", "compression"]

log = logging.getLogger("circus.streams")

SUFFIXES: Final = (".gz", ".zst")
BLOCK: Final = 256 * 1024  # bytes compressed at a time; meanwhile other threads run


class Packed(Protocol):
    """A file that compresses what is written to it."""

    def write(self, data: bytes, /) -> int: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Compression:
    """One way to compress.

    Attributes:
        suffix: ends the names of compressed files.
        open: makes the file to write to, from the one that takes what comes out.
    """

    suffix: str
    open: Callable[[IO[bytes]], Packed]


def compression(name: str | None) -> Compression | None:
    """Return the compression of that name, None for none.

    Raises:
        ValueError: there is no such one, or it needs what is not installed.
    """
    word = (name or "").strip().lower()
    if word in {"", "none"}:
        return None
    if word == "gzip":
        return Compression(".gz", lambda out: gzip.GzipFile("", "wb", 6, out))
    if word == "zstd":
        opener = _zstd()
        return Compression(".zst", lambda out: opener(out, "wb"))
    raise ValueError(f"compress must be gzip or zstd, got {name!r}")


def _zstd() -> Callable[[IO[bytes], str], Packed]:
    for module in ("compression.zstd", "backports.zstd"):  # pep 784
        with contextlib.suppress(ImportError):
            return cast("Callable[[IO[bytes], str], Packed]", import_module(module).ZstdFile)
    raise ValueError(
        "compress = zstd needs Python 3.14 or the package backports.zstd; "
        "pip install 'circus-streams[zstd]', or write gzip"
    )


class Packer:
    """Compresses the rotated files of one path, one after the other, in a thread that ends with the work.

    A rotated file may be renamed or removed by the next rotation meanwhile, so it is known by its inode. What
    a crash leaves behind is found at the next rotation.
    """

    def __init__(self, path: str, lock: threading.Lock, turn: threading.Lock) -> None:
        """Args:
        lock: held by whoever renames the files of this path.
        turn: held while one file is compressed.
        """
        self._scratch = f"{path}.packing"
        self._path = path
        self._lock = lock
        self._turn = turn
        self._thread: threading.Thread | None = None
        self._failed: set[tuple[int, int]] = set()

    def wake(self, owner: LogFile, rotation: Rotation) -> None:
        """Compress what is not; returns at once. The lock is held by the caller.

        Args:
            owner: kept alive meanwhile, so that the path has no second owner with another lock.
        """
        if rotation.compression is not None and self._thread is None:
            self._failed.clear()
            self._thread = threading.Thread(
                target=self._run, args=(owner, rotation, rotation.compression), name="packing", daemon=True
            )
            self._thread.start()

    def _run(self, _owner: LogFile, rotation: Rotation, how: Compression) -> None:
        while (plain := self._next(rotation)) is not None:
            with plain, self._turn:
                try:
                    self._pack(plain, rotation, how)
                except Exception as error:  # noqa: BLE001  also what a library for it raises
                    self._failed.add(_identity(os.fstat(plain.fileno())))
                    reason = getattr(error, "strerror", None) or error
                    log.warning("%s: a rotated file stays uncompressed: %s", self._path, reason)
                finally:
                    with contextlib.suppress(OSError):
                        os.unlink(self._scratch)

    def _next(self, rotation: Rotation) -> IO[bytes] | None:
        """Open the next file that is not compressed; None if there is no more, then the thread is over."""
        with self._lock:
            for path in rotation.rotated(self._path):
                with contextlib.suppress(OSError):
                    file = open(path, "rb")  # noqa: SIM115  the caller closes it
                    if _identity(os.fstat(file.fileno())) not in self._failed:
                        return file
                    file.close()
            self._thread = None
            return None

    def _pack(self, plain: IO[bytes], rotation: Rotation, how: Compression) -> None:
        status = os.fstat(plain.fileno())
        with open(self._scratch, "wb") as out:
            os.fchmod(out.fileno(), status.st_mode & 0o7777)
            with contextlib.suppress(PermissionError):
                os.fchown(out.fileno(), status.st_uid, status.st_gid)
            with contextlib.closing(how.open(out)) as packed:
                while block := plain.read(BLOCK):
                    if not os.fstat(plain.fileno()).st_nlink:
                        return  # it was the oldest, and another has come
                    packed.write(block)
            out.flush()
            os.fsync(out.fileno())
        os.utime(self._scratch, ns=(status.st_atime_ns, status.st_mtime_ns))
        self._put_in_place(_identity(status), rotation, how)

    def _put_in_place(self, identity: tuple[int, int], rotation: Rotation, how: Compression) -> None:
        with self._lock:
            for path in rotation.rotated(self._path):
                with contextlib.suppress(FileNotFoundError):
                    if _identity(os.stat(path)) == identity:
                        os.replace(self._scratch, path + how.suffix)
                        os.unlink(path)
                        return


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
