"""The description of the HTTP API, `openapi.yaml`, as the rules that requests are held to."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import fastjsonschema
import yaml

from circus_httpd.problems import Problem

__all__ = ["Access", "Contract", "Operation"]

Access = str
"""`none`: anybody may; `read` and `full`: that role, or a higher one."""

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        name: `operationId`.
        access: who may.
        path: the segments of the path, a parameter in braces.
        parameters: of path and query, each with its place, its check and its schema.
        body: checks the JSON value that came; None if there must be none.
        needs_body: a request without one is refused.
    """

    name: str
    access: Access
    path: tuple[str, ...]
    parameters: tuple[_Parameter, ...]
    body: _Check | None
    needs_body: bool

    def path_values(self, segments: Sequence[str]) -> dict[str, Any]:
        """Return the parameters in a path that matches. Raises Problem 404."""
        found = {}
        for pattern, segment in zip(self.path, segments, strict=True):
            if pattern.startswith("{"):
                name = pattern[1:-1]
                parameter = next(each for each in self.parameters if each.name == name)
                try:
                    found[name] = parameter.parse(_decode(segment))
                except ValueError as error:
                    raise Problem(404, f"there is no such {name}: {error}") from None
        return found

    def query_values(self, arguments: Mapping[str, Sequence[bytes]]) -> dict[str, Any]:
        """Return the parameters of the query. Raises Problem 422."""
        known = {each.name: each for each in self.parameters if each.place == "query"}
        found = {}
        for name, values in arguments.items():
            if name not in known:
                raise Problem(422, f"unknown parameter {name[:100]!r}; there is {_listed(known)}")
            if len(values) > 1:
                raise Problem(422, f"{name} is given {len(values)} times")
            try:
                found[name] = known[name].parse(values[0].decode("utf-8"))
            except ValueError as error:
                raise Problem(422, f"{name}: {error}") from None
        return found

    def check_body(self, body: bytes, content_type: str) -> dict[str, Any]:
        """Return what the body says, nothing if there is none. Raises Problem 400, 415, 422."""
        if not body:
            if self.needs_body:
                raise Problem(422, "a JSON object is needed as the body")
            return {}
        if self.body is None:
            raise Problem(422, "there must be no body")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, f"the body must be application/json, got {content_type[:100]!r}")
        value = read_json(body)
        try:
            self.body(value)
        except fastjsonschema.JsonSchemaValueException as error:
            raise Problem(
                422, error.message.removeprefix("data.").replace("data must", "the body must")
            ) from None
        found: dict[str, Any] = value
        return found


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    place: str
    kind: str
    check: _Check

    def parse(self, text: str) -> Any:
        """Raises ValueError."""
        value = _PARSERS.get(self.kind, str)(text)
        try:
            self.check(value)
        except fastjsonschema.JsonSchemaValueException as error:
            raise ValueError(error.message.replace("data ", "it ", 1)) from None
        return value


class Contract:
    """All operations, found by method and path."""

    def __init__(self) -> None:
        """Raises what is wrong with the description: a mistake in this package."""
        self.document = _read_document()
        self._operations: dict[tuple[str, ...], dict[str, Operation]] = {}
        for path, item in self.document["paths"].items():
            segments = tuple(path.removeprefix("/api/").split("/"))
            self._operations[segments] = {
                method.upper(): self._operation(segments, method, item)
                for method in _METHODS
                if method in item
            }

    @property
    def operations(self) -> list[Operation]:
        return [each for methods in self._operations.values() for each in methods.values()]

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, Any]]:
        """Return what is asked for, and the parameters in its path.

        Args:
            path: what follows `/api/`, still percent-encoded.

        Raises:
            Problem: 404, there is no such path; 405, there is no such method.
        """
        segments = path.split("/")
        methods = next(
            (found for known, found in self._operations.items() if _matches(known, segments)), None
        )
        if methods is None:
            raise Problem(404, "there is no such path; /api/openapi.json describes what there is")
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]
            raise Problem(405, f"there is {', '.join(allowed)}", Allow=", ".join(allowed))
        return operation, operation.path_values(segments)

    def _operation(self, segments: tuple[str, ...], method: str, item: Mapping[str, Any]) -> Operation:
        described = item[method]
        parameters = [*item.get("parameters", ()), *described.get("parameters", ())]
        body = self._resolved(described.get("requestBody", {}))
        schema = body.get("content", {}).get("application/json", {}).get("schema")
        return Operation(
            name=described["operationId"],
            access=_access(described, method),
            path=segments,
            parameters=tuple(self._parameter(self._resolved(each)) for each in parameters),
            body=None if schema is None else self._compile(schema),
            needs_body=bool(body.get("required")),
        )

    def _parameter(self, described: Mapping[str, Any]) -> _Parameter:
        schema = described["schema"]
        return _Parameter(
            described["name"], described["in"], str(schema.get("type", "string")), self._compile(schema)
        )

    def _resolved(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = described.get("$ref")
        if reference is None:
            return described
        found: Any = self.document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)

    def _compile(self, schema: Mapping[str, Any]) -> _Check:
        """Return the check of a schema that may refer to `#/components`."""
        whole = {"allOf": [schema], "components": self.document["components"]}
        check: _Check = fastjsonschema.compile(whole, use_formats=False)
        return check


def read_json(text: bytes) -> Any:
    """Return the value; NaN and the like are none. Raises Problem 400."""
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON in UTF-8: {error}") from None


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _read_document() -> dict[str, Any]:
    text = files("circus_httpd").joinpath("openapi.yaml").read_text(encoding="utf-8")
    # Through JSON: what is written once and used twice becomes two.
    document: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(text)))
    return document


def _access(described: Mapping[str, Any], method: str) -> Access:
    if described.get("security") == []:
        return "none"
    return str(described.get("x-role") or ("read" if method == "get" else "full"))


def _matches(known: Sequence[str], segments: Sequence[str]) -> bool:
    return len(known) == len(segments) and all(
        one == other or (one.startswith("{") and other) for one, other in zip(known, segments, strict=True)
    )


def _decode(segment: str) -> str:
    """Return the text of a segment: percent-encoded, or `~` and base64url. Raises ValueError."""
    text = unquote_to_bytes(segment).decode("utf-8")
    if not text.startswith("~"):
        return text
    encoded = text[1:].rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode(
            "utf-8"
        )
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows ~ must be base64url, got {text[1:50]!r}") from None


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(f"it must be an integer, got {text[:50]!r}")
    return int(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"it must be true or false, got {text[:50]!r}")
    return text == "true"


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {"integer": _integer, "boolean": _boolean}


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"
