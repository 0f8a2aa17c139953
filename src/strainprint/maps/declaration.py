"""What the user says of a map because its file does not: a short YAML file beside it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strainprint.errors import BadInputError

_LARGEST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Key:
    """One key of a declaration: what it means, what it may be, an example to copy."""

    meaning: str
    example: str
    choices: tuple[str, ...] = ()
    kind: type = str
    above: float | None = None
    least: float | None = None
    most: float | None = None
    odd: bool = False

    def allowed(self) -> str:
        """Say in words which values are accepted."""
        if self.choices:
            return " or ".join(self.choices)
        if self.kind is str:
            return "text of up to 200 characters"
        words = [
            "odd whole number" if self.odd else "whole number" if self.kind is int else "number"
        ]
        words += [f"above {self.above:g}"] if self.above is not None else []
        words += [f"{self.least:g} or more"] if self.least is not None else []
        words += [f"at most {self.most:g}"] if self.most is not None else []
        return ", ".join(words)

    def checked(self, value: Any) -> Any:
        """Return the value in its own type, or raise ValueError."""
        if self.kind is str:
            # YAML reads a bare y as text, but 1 as a number: strain_unit: 1 is meant well.
            text = str(value) if isinstance(value, (str, int)) else ""
            if isinstance(value, bool) or not 0 < len(text) <= 200 or not text.isprintable():
                raise ValueError
            if self.choices and text not in self.choices:
                raise ValueError
            return text
        if isinstance(value, str) and len(value) < 40:
            value = float(value)  # YAML reads 1e-3, without a dot, as text
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        if not math.isfinite(value) or (self.kind is int and value != int(value)):
            raise ValueError
        too_low = (self.above is not None and value <= self.above) or (
            self.least is not None and value < self.least
        )
        if too_low or (self.most is not None and value > self.most):
            raise ValueError
        if self.odd and int(value) % 2 == 0:
            raise ValueError
        return self.kind(value)


_LENGTHS = ("px", "nm", "um", "mm", "m")

KEYS: dict[str, Key] = {
    "reader": Key("which reader to use, where the content does not tell it", "vic"),
    "loading_axis": Key("axis of the load in the map", "y", ("x", "y")),
    "loading_sense": Key("sense of the load", "compression", ("compression", "tension")),
    "y_axis": Key("where the file's y coordinate grows to in the picture", "down", ("up", "down")),
    "strain_y_axis": Key(
        "the same for the file's shear, where the tool takes it in other axes than the coordinates",
        "up",
        ("up", "down"),
    ),
    "configuration": Key(
        "body that the file's coordinates lie on", "reference", ("reference", "deformed")
    ),
    "pixel_size_nm": Key(
        "size of a camera or microscope pixel on the specimen, in nm", "59.0", kind=float, above=0.0
    ),
    "length_unit": Key("unit of the file's coordinates", "mm", _LENGTHS),
    "displacement_unit": Key("unit of the file's displacements", "mm", _LENGTHS),
    "strain_measure": Key(
        "measure of the file's strains, or the one to compute from displacement",
        "green_lagrange",
        ("infinitesimal", "green_lagrange", "hencky"),
    ),
    "shear": Key(
        "whether the file's shear is exy = gamma/2 or gamma", "tensor", ("tensor", "engineering")
    ),
    "strain_unit": Key("unit of the file's strains", "1", ("1", "percent", "microstrain")),
    "subset_px": Key("side of the correlation subset (facet) in pixels", "21", kind=float, above=0),
    "step_px": Key("distance of the measured points in pixels", "7", kind=float, above=0),
    "strain_window_points": Key(
        "side of the window, in points, of the tool's own strains", "5", kind=int, least=1
    ),
    "recompute_window_points": Key(
        "compute strain from displacement over a window of so many points, whatever the file holds",
        "5",
        kind=int,
        least=3,
        most=501,
        odd=True,
    ),
    "frame": Key("which step of a file that holds several, counted from 1", "1", kind=int, least=1),
    "zncc_min": Key(
        "lowest correlation coefficient that counts", "0.9", kind=float, least=-1, most=1
    ),
    "noise_floor": Key(
        "standard deviation of the strain between two pictures without load", "0.0005", kind=float,
        least=0,
    ),
    "specimen_id": Key("name of the specimen", "pillar-3"),
    "test_strain": Key(
        "strain of the test that the map shows, a positive number", "0.01", kind=float, above=0
    ),
}  # fmt: skip
"""Every key that a declaration may hold."""


@dataclass(frozen=True)
class Declaration:
    """Checked keys and values, and the file that they come from (or would go into)."""

    values: Mapping[str, Any] = field(default_factory=dict)
    path: Path = Path("declaration.yaml")

    def __contains__(self, key: str) -> bool:
        """Tell whether the user declared this key."""
        return key in self.values

    def get(self, key: str) -> Any:
        """Return a declared value, None where it was not declared."""
        return self.values.get(key)


def checked_declaration(content: Any, path: Path) -> Declaration:
    """Check keys and values.

    Raises
    ------
    BadInputError
        No mapping, an unknown key (with the nearest known one), or a value that is not allowed.
    """
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise BadInputError("holds no 'key: value' lines", where=path, allowed=", ".join(KEYS))
    values = {}
    for name, value in content.items():
        if name not in KEYS:
            near = difflib.get_close_matches(str(name)[:80], KEYS, n=1, cutoff=0.5)
            raise BadInputError(
                f"unknown key {str(name)[:80]!r}",
                where=path,
                allowed=", ".join(KEYS),
                way_out=f"did you mean {near[0]!r}?" if near else None,
            )
        try:
            values[name] = KEYS[name].checked(value)
        except (ValueError, OverflowError):
            raise BadInputError(
                f"{name} is {str(value)[:80]!r}", where=path, allowed=KEYS[name].allowed()
            ) from None
    return Declaration(values, path)


def read_declaration(path: str | Path) -> Declaration:
    """Read a declaration from a YAML file of plain ``key: value`` lines.

    Raises
    ------
    BadInputError
        Missing, no YAML, larger than 64 KiB, with anchors or a key twice, or with a key or value
        that is not allowed.
    """
    path = Path(path)
    try:
        with open(path, "rb") as handle:
            raw = handle.read(_LARGEST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise BadInputError("file is missing", where=path) from error
    except UnicodeDecodeError as error:
        raise BadInputError("is no UTF-8 text", where=path) from error
    if len(raw) > _LARGEST_BYTES:
        raise BadInputError("is larger than 64 KiB", where=path, allowed="a few 'key: value' lines")
    return checked_declaration(_plain_yaml(text, path), path)


def _plain_yaml(text: str, path: Path) -> Any:
    """Parse YAML of one level: scalars only, no anchors, tags or nesting, no key twice."""
    import yaml

    try:
        if any(isinstance(one, (yaml.AnchorToken, yaml.AliasToken)) for one in yaml.scan(text)):
            raise BadInputError("holds an anchor or an alias (& or *)", where=path)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            return text
        loader = yaml.SafeLoader("")
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if not isinstance(value_node, yaml.ScalarNode):
                raise BadInputError(
                    f"the value of {key[:80]!r} is no single word or number",
                    where=path,
                    allowed=KEYS[key].allowed() if key in KEYS else ", ".join(KEYS),
                )
            if key in content:
                raise BadInputError(f"key {key[:80]!r} comes twice", where=path)
            content[key] = loader.construct_object(value_node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(f"not readable as YAML ({error})", where=path) from error
    return content


def beside(file: str | Path) -> Declaration:
    """Return the declaration beside a map (``a.yaml`` beside ``a.csv``), or an empty one."""
    path = Path(file).with_suffix(".yaml")
    return read_declaration(path) if path.is_file() else Declaration(path=path)


def missing_keys(
    keys: Iterable[str], where: object, declared: Declaration, notes: Mapping[str, str]
) -> BadInputError:
    """Return the error that names what the file does not say and shows the lines to add.

    ``notes`` adds to a key what the tool usually does: a hint, never a choice made for the user.
    """
    keys = list(dict.fromkeys(keys))
    lines = [
        f"    {key}: {KEYS[key].example}  # {KEYS[key].meaning}"
        + (f" ({' or '.join(KEYS[key].choices)})" if KEYS[key].choices else "")
        + (f"; {notes[key]}" if key in notes else "")
        for key in keys
    ]
    return BadInputError(
        f"the file does not say {', '.join(keys)}",
        where=where,
        way_out=f"put into {declared.path}, with the values of your measurement:\n"
        + "\n".join(lines),
    )


def keys_table() -> str:
    """Return the Markdown table of all keys for the documentation."""
    lines = ["| key | allowed | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {key.allowed()} | {key.meaning} |" for name, key in KEYS.items()]
    return "\n".join(lines) + "\n"
