"""Arguments for a tool call: the value of a JSON Schema that a key determines.

It knows the keywords that tool definitions are written with: type, properties, required, items, prefixItems, enum,
const, anyOf, oneOf, allOf, local $ref, bounds, steps and lengths. A `pattern` is met by the schema's own default or
example if it has one and not searched for; the common formats have a fixed value each.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Any, TypeAlias

__all__ = ["Pick", "schema_value"]

Pick: TypeAlias = Callable[[str, int], int]
"""A whole number below the given count (1 or more), determined by a place in the schema."""

_Rules: TypeAlias = dict[str, Any]
_MOST_DEPTH = 16
_MOST_STEPS = 5_000  # a schema can refer to itself; one that has no finite value is given up
_MOST_CHOICES = 100
_LARGEST = 1e12
_FORMATS = {
    "date": "2026-11-02",
    "date-time": "2026-11-02T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT15M",
    "email": "reader@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def schema_value(schema: object, pick: Pick) -> Any:
    """A value that `schema` accepts; an empty object where it is no schema, or has no finite value."""
    return _Sampler(schema, pick).value(schema, "", 0)


class _Sampler:
    def __init__(self, root: object, pick: Pick) -> None:
        self._root = root
        self._pick = pick
        self._steps = 0

    def value(self, schema: object, place: str, depth: int) -> Any:
        self._steps += 1
        if depth > _MOST_DEPTH or self._steps > _MOST_STEPS:
            return {}
        rules = self._resolve(schema, place, depth)
        if "const" in rules:
            return rules["const"]
        for listed in ("enum", "examples"):
            choices = rules.get(listed)
            if isinstance(choices, list) and choices:
                return choices[self._pick(f"{place}:{listed}", len(choices))]
        if "default" in rules:
            return rules["default"]
        kind = _kind(rules)
        if kind == "object":
            return self._object(rules, place, depth)
        if kind == "array":
            return self._array(rules, place, depth)
        if kind in ("integer", "number"):
            return self._number(rules, kind, place)
        if kind == "boolean":
            return self._pick(place, 2) == 1
        return None if kind == "null" else self._string(rules, place)

    def _resolve(self, schema: object, place: str, depth: int) -> _Rules:
        """`schema` as one table: references followed, alternatives chosen, conjunctions joined."""
        rules = dict(schema) if isinstance(schema, dict) else {}
        while depth <= _MOST_DEPTH and self._steps <= _MOST_STEPS:
            self._steps += 1
            reference, parts = rules.pop("$ref", None), rules.pop("allOf", None)
            alternatives = rules.pop("anyOf", None) or rules.pop("oneOf", None)
            if isinstance(reference, str):
                rules = _joined(self._refer(reference), rules)
            for part in parts if isinstance(parts, list) else ():
                rules = _joined(self._resolve(part, place, depth + 1), rules)
            if isinstance(alternatives, list) and alternatives:
                rules = _joined(self._choose(alternatives, place, depth), rules)
            if not {"$ref", "allOf", "anyOf", "oneOf"} & set(rules):
                return rules
        return {}

    def _choose(self, alternatives: list[Any], place: str, depth: int) -> Any:
        # A schema that nests itself comes to an end only where the plain alternatives are taken.
        nested = {"$ref", "properties", "items"}
        plain = [one for one in alternatives if isinstance(one, dict) and not nested & set(one)]
        offered = plain if plain and depth > _MOST_DEPTH // 4 else alternatives
        return offered[self._pick(f"{place}:of", len(offered))]

    def _refer(self, reference: str) -> object:
        held = self._root if reference.startswith("#") else None
        for step in reference.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            held = held.get(name) if isinstance(held, dict) else None
        return held

    def _object(self, rules: _Rules, place: str, depth: int) -> _Rules:
        """The required properties, and at the top the optional ones too, as models tend to fill them in."""
        properties, required = rules.get("properties"), rules.get("required")
        properties = properties if isinstance(properties, dict) else {}
        required = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        names = dict.fromkeys([*properties, *required] if depth == 0 else required)
        return {name: self.value(properties.get(name), f"{place}/{name}", depth + 1) for name in names}

    def _array(self, rules: _Rules, place: str, depth: int) -> list[Any]:
        leading = rules.get("prefixItems")
        leading = leading if isinstance(leading, list) else []
        one = min(1, _whole(rules.get("maxItems"), 1)) if depth <= _MOST_DEPTH // 4 else 0
        length = min(max(_whole(rules.get("minItems"), 0), one, len(leading)), _MOST_CHOICES)
        items = rules.get("items", {"type": "string"})
        return [self.value(leading[n] if n < len(leading) else items, f"{place}/{n}", depth + 1) for n in range(length)]

    def _number(self, rules: _Rules, kind: str, place: str) -> int | float:
        step = _bound(rules.get("multipleOf"))
        step = step if step is not None and step > 1 / _LARGEST else 1
        least, most = _bound(rules.get("minimum")), _bound(rules.get("maximum"))
        above, below = _bound(rules.get("exclusiveMinimum")), _bound(rules.get("exclusiveMaximum"))
        # In whole steps; an open bound is the next step inside it.
        firsts = [ceil(least / step)] if least is not None else []
        firsts += [floor(above / step) + 1] if above is not None else []
        lasts = [floor(most / step)] if most is not None else []
        lasts += [ceil(below / step) - 1] if below is not None else []
        last = min(lasts) if lasts else max(firsts, default=1) + 9
        first = max(firsts) if firsts else min(1, last)
        if last < first and kind == "number":  # no whole step lies between the bounds, so take their middle
            bounds = [bound for bound in (least, above, most, below) if bound is not None]
            return sum(bounds) / len(bounds)
        value = (first + self._pick(place, min(max(1, last - first + 1), _MOST_CHOICES))) * step
        return int(value) if kind == "integer" else value

    def _string(self, rules: _Rules, place: str) -> str:
        fixed = _FORMATS.get(str(rules.get("format")))
        if fixed is not None:
            return fixed
        text = f"{place.rsplit('/', 1)[-1] or 'value'} {self._pick(place, _MOST_CHOICES)}"
        least, most = _whole(rules.get("minLength"), 0), _whole(rules.get("maxLength"), 10_000)
        return text.ljust(min(least, 10_000), "x")[:most]


def _joined(first: object, second: _Rules) -> _Rules:
    """Both tables' rules; of two `properties` or `required`, the union."""
    joined = dict(first) if isinstance(first, dict) else {}
    for key, value in second.items():
        held = joined.get(key)
        if key == "properties" and isinstance(held, dict) and isinstance(value, dict):
            joined[key] = {**held, **value}
        elif key == "required" and isinstance(held, list) and isinstance(value, list):
            joined[key] = [*held, *value]
        else:
            joined[key] = value
    return joined


def _kind(rules: _Rules) -> str:
    kind = rules.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    if {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} & set(rules):
        return "number"
    if {"items", "prefixItems", "minItems"} & set(rules):
        return "array"
    return "string" if {"minLength", "maxLength", "pattern", "format"} & set(rules) else "object"


def _bound(value: object) -> float | int | None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST
    return value if fits and isinstance(value, (int, float)) else None


def _whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise
