"""Requests that say more than anybody has to say: refused in the words of the API, without keeping them."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Mapping
from typing import Final

from tornado import httputil
from tornado.http1connection import HTTP1Connection

from circus_httpd.problems import Problem

__all__ = ["LONGEST_BODY", "BoundedBody"]

LONGEST_BODY: Final = 1 << 20
"""Bytes."""

_LINGER: Final = 5.0
"""Seconds for which what still comes is read and dropped: who is cut off while sending sees no answer."""


class BoundedBody(httputil.HTTPMessageDelegate):
    """Passes a request on unless its body is too long; then answers 413 at once and closes the connection.

    Tornado has a limit of its own, which answers 400 without a word; it is lifted here.
    """

    def __init__(
        self,
        request: httputil.HTTPMessageDelegate,
        connection: HTTP1Connection,
        headers: Mapping[str, str],
    ) -> None:
        """Args:
        request: what becomes of it.
        headers: of the answer.
        """
        self._request = request
        self._connection = connection
        self._headers = headers
        self._size = 0
        self._is_refused = False

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        self._connection.set_max_body_size(sys.maxsize)
        length = headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > LONGEST_BODY:
            self._refuse()
            self._connection.set_body_timeout(_LINGER)
            return None
        return self._request.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._is_refused:
            return None
        self._size += len(chunk)
        if self._size <= LONGEST_BODY:
            return self._request.data_received(chunk)
        self._refuse()
        self._request.on_connection_close()
        return None

    def finish(self) -> None:
        if self._is_refused:
            self._connection.stream.close()
        else:
            self._request.finish()

    def on_connection_close(self) -> None:
        if not self._is_refused:
            self._request.on_connection_close()

    def _refuse(self) -> None:
        self._is_refused = True
        problem = Problem(413, f"the body is longer than {LONGEST_BODY} bytes").to_json()
        body = json.dumps(problem).encode()
        about = {
            **self._headers,
            "Content-Type": "application/problem+json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 413 {problem['title']}", *(f"{name}: {value}" for name, value in about.items())]
        self._connection.stream.write("\r\n".join([*lines, "", ""]).encode() + body)
