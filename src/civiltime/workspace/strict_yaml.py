"""YAML, strictly: what a person wrote means one thing, or it is refused.

The law: one document, UTF-8, no duplicate key, no anchor or alias (an alias is how a
small file becomes a large tree), no tag of one's own, at most 1 MiB and 32 levels deep.
Scalars follow YAML 1.2, so ``NO`` is a country and not a false; a date stays text; a
number with a point or an exponent becomes a :class:`~decimal.Decimal`, exactly as
written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from civiltime.errors import Invalid

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
_TAG = "tag:yaml.org,2002:"

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlDocument:
    """A parsed document: its data, and on which line (from 1) each value stands."""

    name: str
    data: Any
    lines: dict[Path, int] = field(repr=False)

    def where(self, path: Path) -> str:
        """``name, line N (a.b[2])`` for the value at ``path``, or for the nearest above it."""
        line = next(
            (self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), 1
        )
        trail = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        return f"{self.name}, line {line}" + (f" ({trail})" if trail else "")


def parse_yaml(text: str, name: str) -> Any:
    """The data of one strict YAML document; raises :class:`Invalid`."""
    return parse_document(text.encode(), name).data


def parse_document(raw: bytes, name: str) -> YamlDocument:
    """One strict YAML document with the lines of its values.

    ``name`` is what error messages call it.  Raises :class:`Invalid`.
    """
    if len(raw) > MAX_BYTES:
        raise Invalid(f"{name} is {len(raw):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"{name} is not UTF-8 (byte {error.start})") from None
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Invalid(f"{name}, line {line}: {error.problem or 'not valid YAML'}") from None
    except (YAMLError, ValueError) as error:
        raise Invalid(f"{name} is not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise Invalid(f"{name} is nested more than {MAX_DEPTH} levels deep") from None
    lines: dict[Path, int] = {}
    data = None if root is None else _Builder(name, lines).build(root, ())
    return YamlDocument(name, data, lines)


class _Builder:
    """Turns composed nodes into plain data, refusing what the law refuses."""

    def __init__(self, name: str, lines: dict[Path, int]) -> None:
        self.name = name
        self.lines = lines
        self.seen: set[int] = set()

    def refuse(self, node: Node, why: str) -> Invalid:
        return Invalid(f"{self.name}, line {node.start_mark.line + 1}: {why}")

    def build(self, node: Node, path: Path) -> Any:
        if node.anchor is not None or id(node) in self.seen:
            raise self.refuse(node, "anchors and aliases aren't allowed; write the value out")
        self.seen.add(id(node))
        if len(path) > MAX_DEPTH:
            raise self.refuse(node, f"nested more than {MAX_DEPTH} levels deep")
        self.lines[path] = node.start_mark.line + 1
        tag = str(node.tag)
        if isinstance(node, ScalarNode):
            return self.scalar(node, tag.removeprefix(_TAG))
        if isinstance(node, SequenceNode) and tag == f"{_TAG}seq":
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        if isinstance(node, MappingNode) and tag == f"{_TAG}map":
            result: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = self.build(key_node, (*path, "?"))
                if not isinstance(key, str):
                    raise self.refuse(key_node, f"the key {key!r} is not text; quote it")
                if key in result:
                    raise self.refuse(key_node, f"duplicate key {key!r}")
                result[key] = self.build(value_node, (*path, key))
            return result
        raise self.refuse(node, f"the tag {tag} isn't allowed")

    def scalar(self, node: ScalarNode, kind: str) -> Any:
        text: str = node.value
        if kind in {"str", "timestamp"}:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind not in {"int", "float"}:
            raise self.refuse(node, f"the tag {node.tag} isn't allowed")
        try:
            if kind == "int":
                return int(text, 0 if text[:2] in {"0x", "0o"} else 10)
            if (number := Decimal(text)).is_finite():
                return number
        except (ValueError, InvalidOperation):
            pass
        raise self.refuse(node, f"{text!r} is not a finite number")
