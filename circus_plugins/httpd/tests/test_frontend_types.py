"""The types that the pages are written with are those of the API."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
TYPES = (PROJECT / "frontend" / "src" / "types.ts").read_text()
SCHEMAS: dict[str, Any] = yaml.safe_load((PROJECT / "circus_httpd" / "openapi.yaml").read_text())[
    "components"
]["schemas"]

# What has another name, since that of the schema is one of the browser's own types, or no schema of its own.
RENAMED = {"CircusEvent": "Event"}
WITHOUT_SCHEMA = {"Daemons", "Sockets", "HistoryColumns"}


def interfaces() -> dict[str, tuple[str | None, list[str]]]:
    """Each interface: the one that it extends and its own fields, with a `?` if they may be missing."""
    found = re.finditer(r"export interface (\w+)(?: extends (\w+))? \{\n(.*?)\n\}", TYPES, re.DOTALL)
    return {
        match[1]: (match[2], re.findall(r"^  (\w+\??):", match[3], re.MULTILINE))
        for match in found
        if match[1] not in WITHOUT_SCHEMA
    }


def fields(name: str) -> list[str]:
    base, own = interfaces()[name]
    return own + (fields(base) if base else [])


def resolved(schema: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The properties of a schema and those of them that are always there."""
    if "$ref" in schema:
        return resolved(SCHEMAS[schema["$ref"].rsplit("/", 1)[1]])
    properties, required = set(schema.get("properties", ())), set(schema.get("required", ()))
    for part in schema.get("allOf", ()):
        more, always = resolved(part)
        properties |= more
        required |= always
    return properties, required


@pytest.mark.parametrize("name", interfaces())
def test_type_has_only_fields_that_the_api_has(name: str) -> None:
    properties, _ = resolved(SCHEMAS[RENAMED.get(name, name)])
    assert {field.removesuffix("?") for field in fields(name)} <= properties


@pytest.mark.parametrize("name", interfaces())
def test_type_relies_only_on_fields_that_the_api_always_sends(name: str) -> None:
    _, required = resolved(SCHEMAS[RENAMED.get(name, name)])
    assert {field for field in fields(name) if not field.endswith("?")} <= required
