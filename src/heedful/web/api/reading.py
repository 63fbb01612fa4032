"""The description of the API as people read it: operations by subject, and every field with its type in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REFERENCE = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a field of a shape."""

    name: str
    type: str
    """In words: `text, at most 200 characters`."""
    shape: str
    """The name of the shape that it holds, or empty."""
    required: bool
    about: str
    place: str = ""
    """Of a parameter: `path` or `query`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status that an operation may answer with."""

    status: str
    about: str
    type: str
    shape: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation."""

    id: str
    method: str
    path: str
    title: str
    about: str
    scope: str
    parameters: tuple[Field, ...]
    body: str
    """The name of the shape that is sent; empty: nothing, or a form."""
    form: tuple[Field, ...]
    example: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of object that goes over the wire."""

    name: str
    about: str
    fields: tuple[Field, ...]
    example: str
    source: str = ""
    """The JSON Schema itself, where fields do not tell it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Operations that belong together."""

    name: str
    about: str
    operations: tuple[Operation, ...] = field(default=())


def subjects(described: Mapping[str, Any]) -> list[Subject]:
    """The operations of an OpenAPI description, by tag, in the tags' order; tags without one are left out."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(described, path, method, operation))
    about = {tag["name"]: tag["description"] for tag in described["tags"]}
    return [Subject(name, about[name], tuple(operations)) for name, operations in found.items() if operations]


def shapes(described: Mapping[str, Any]) -> list[Shape]:
    """The shapes of an OpenAPI description, by name."""
    return [_shape(name, schema) for name, schema in sorted(described["components"]["schemas"].items())]


def _operation(described: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    sent = content.get("application/json", {}).get("schema", {})
    form = content.get("multipart/form-data", {}).get("schema", {})
    body = shape_in(sent)
    schemas = described["components"]["schemas"]
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        title=operation["summary"],
        about=operation.get("description", "").partition("\n\n")[0],
        scope=operation.get("x-scope", ""),
        parameters=tuple(
            Field(
                name=each["name"],
                type=type_of(each["schema"]),
                shape=shape_in(each["schema"]),
                required=each.get("required", False),
                about=each.get("description", ""),
                place=each["in"],
            )
            for each in operation.get("parameters", ())
        ),
        body=body,
        form=_fields(schemas[shape_in(form)]) if form else (),
        example=_example(schemas[body]) if body else "",
        replies=tuple(_reply(status, reply) for status, reply in sorted(operation["responses"].items())),
    )


def _reply(status: str, reply: Mapping[str, Any]) -> Reply:
    contents: list[Mapping[str, Any]] = list(reply.get("content", {}).values())
    schema = contents[0].get("schema", {}) if contents else {}
    return Reply(status, reply["description"], type_of(schema) if schema else "", shape_in(schema))


def _shape(name: str, schema: Mapping[str, Any]) -> Shape:
    fields = _fields(schema)
    source = "" if fields or schema.get("type") == "object" else json.dumps(schema, indent=2, ensure_ascii=False)
    return Shape(name, schema.get("description", ""), fields, _example(schema), source)


def _fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        Field(name, type_of(inner), shape_in(inner), name in required, inner.get("description", ""))
        for name, inner in schema.get("properties", {}).items()
    )


def _example(schema: Mapping[str, Any]) -> str:
    found = schema.get("examples") or ()
    return json.dumps(found[0], indent=2, ensure_ascii=False) if found else ""


def shape_in(schema: Mapping[str, Any]) -> str:
    """The name of the shape that a schema is, or holds a list of or a choice with; empty when there is none."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFERENCE)
    inner = [*schema.get("anyOf", ()), *schema.get("allOf", ())]
    inner += [more for name in ("items", "additionalProperties") if isinstance(more := schema.get(name), Mapping)]
    return next((found for found in map(shape_in, inner) if found), "")


def type_of(schema: Mapping[str, Any]) -> str:
    """A schema in words: `list of at most 50 texts`, `whole number, 0 to 1000`, `"a" or "b"`, `Prompt or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFERENCE)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(type_of(each) for each in choices))
    match schema.get("type"):
        case "array":
            inner = schema.get("items") or {}
            return f"list of {type_of(inner) if inner else 'anything'}" + _bounds(schema, "minItems", "maxItems", "")
        case "object":
            more = schema.get("additionalProperties")
            return f"object of {type_of(more)}" if isinstance(more, Mapping) and more else "object"
        case "string" if schema.get("format") == "binary" or "contentMediaType" in schema:
            return "file"
        case "string":
            return "text" + _bounds(schema, "minLength", "maxLength", " characters")
        case "integer":
            return "whole number" + _bounds(schema, "minimum", "maximum", "")
        case "number":
            return "number" + _bounds(schema, "minimum", "maximum", "")
        case "boolean":
            return "true or false"
        case "null":
            return "null"
    return "anything"


def _bounds(schema: Mapping[str, Any], low: str, high: str, unit: str) -> str:
    least, most = schema.get(low), schema.get(high)
    if least is not None and most is not None:
        return f", {least:,} to {most:,}{unit}"
    return (
        f", at least {least:,}{unit}" if least is not None else f", at most {most:,}{unit}" if most is not None else ""
    )
