#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
#
# usage: json_schema.py SCHEMA STATUS <DOCUMENT
#
# Is the document valid, and does it tell the exit status STATUS? Prints what is
# wrong and exits with 1. Knows what ublk.schema.json uses of JSON schema, and
# refuses what it does not know.

import json
import sys

TYPES = {"object": dict, "array": list, "string": str, "integer": int,
         "number": (int, float),
         "boolean": bool, "null": type(None)}
KNOWN = {"$comment", "$ref", "title", "definitions", "type", "enum", "minimum",
         "maximum", "items", "required", "properties", "additionalProperties"}


def has_type(value, name):
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, TYPES[name])


def check_object(value, schema, root, path):
    for key in schema.get("required", []):
        if key not in value:
            yield f"{path}: no member {key}"
    known = schema.get("properties", {})
    for key, member in value.items():
        if key in known:
            yield from check(member, known[key], root, f"{path}.{key}")
        elif schema.get("additionalProperties", True) is False:
            yield f"{path}: unknown member {key}"


def check(value, schema, root, path="document"):
    for key in schema.keys() - KNOWN:
        yield f"schema: {key} is not known here"
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    types = schema.get("type", list(TYPES))
    types = [types] if isinstance(types, str) else types
    if not any(has_type(value, name) for name in types):
        yield f"{path}: {value!r} is none of {types}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if isinstance(value, (int, float)) and not \
            schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: {value} is out of range"
    if isinstance(value, dict):
        yield from check_object(value, schema, root, path)
    if isinstance(value, list):
        for nr, item in enumerate(value):
            yield from check(item, schema.get("items", {}), root, f"{path}[{nr}]")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    status = int(sys.argv[2])
    try:
        document = json.load(sys.stdin)
    except ValueError as error:
        sys.exit(f"no JSON document: {error}")
    wrong = list(check(document, schema, schema))
    if document.get("status") != status:
        wrong.append(f"the status is {document.get('status')}, not {status}")
    if bool(document.get("errors")) != bool(status):
        wrong.append("errors without a failure, or a failure without errors")
    for text in wrong:
        print(text)
    sys.exit(bool(wrong))


main()
