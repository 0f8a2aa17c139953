"""The checked config: closed, complete, every error naming the key, the value and what is allowed.

It is read while the DAG is built, so nothing heavy is imported.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from strainprint.errors import BadInputError
from strainprint.specimens.bounds import check_fit
from strainprint.specimens.naming import parse_subset, subset_name
from strainprint.specimens.rules import DynamicsSettings
from strainprint.specimens.strain_path import strain_paths

RESERVED_STUDIES = frozenset(
    {
        *("specimens", "logs", "benchmarks", "records", "calibration", "drawings", "external"),
        "experiments",
    }
)
"""Study names that would collide with other folders of the results."""
SEEN_BY = "seen_by_"
"""Beginning of the names of studies that the experiment ``instrument`` makes."""


def check_config_files(files: Iterable[str | Path]) -> None:
    """Refuse config files that YAML does not read, or of which it would drop a part in silence.

    Raises
    ------
    BadInputError
        The file, the line and what is wrong there: not UTF-8, not YAML, empty, no keys at the top,
        a key that stands twice (YAML keeps the last, and all that stands under the first is lost).
    """
    import yaml

    for file in files:
        try:
            node = yaml.compose(Path(file).read_text(encoding="utf-8-sig"), yaml.SafeLoader)
        except OSError as error:
            raise BadInputError(f"not readable ({error.strerror})", where=file) from None
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"byte {error.start} is not UTF-8", where=file, way_out="save it as UTF-8"
            ) from None
        except yaml.YAMLError as error:
            raise BadInputError(
                f"not readable as YAML ({' '.join(str(error).split())})",
                where=file,
                way_out="indent with spaces, and close what was opened",
            ) from None
        if not isinstance(node, yaml.MappingNode):
            raise BadInputError(
                "holds no keys" if node is None else "has no keys at the top",
                where=file,
                allowed="keys and values, like seed: 1",
                way_out="see config/README.md",
            )
        _refuse_keys_twice(node, file, ())


def _refuse_keys_twice(node: Any, file: str | Path, path: tuple[Any, ...]) -> None:
    first: dict[str, int] = {}
    pairs = node.value if node.id == "mapping" else ()
    for key, value in pairs:
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            raise BadInputError(
                f"the key {_key([*path, name])} stands in lines {first[name]} and "
                f"{line}: YAML would drop what stands under the first",
                where=file,
                way_out="write all that belongs to it in one place",
            )
        first[name] = line
        _refuse_keys_twice(value, file, (*path, name))


def checked_config(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with every default filled in, in the schema's order of keys.

    Raises
    ------
    BadInputError
        A key is unknown, a value has the wrong type or lies out of range, or values do not fit
        together; the message names the key, the value and what is allowed.
    """
    filled = checked_values(config, schema)
    _check_together(filled)
    return filled


def checked_values(values: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return values checked against a closed schema, key by key, with every default filled in.

    Raises
    ------
    BadInputError
        A key is unknown, or a value has the wrong type or lies out of range.
    """
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(dict(schema)).iter_errors(dict(values)),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    if errors:
        raise _config_error(errors[0])
    _refuse_not_finite(values, ())
    filled: dict[str, Any] = _with_defaults(values, schema)
    return filled


def _key(path: Any) -> str:
    """Return a config key as ``specimens.prior_strains[1]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")


def _config_error(error: Any) -> BadInputError:
    """Turn a jsonschema error into one that names key, value, what is allowed, the way out."""
    key = _key(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = sorted(set(error.instance) - set(known))[0]
        near = difflib.get_close_matches(str(unknown), known, n=1, cutoff=0.5)
        return BadInputError(
            f"unknown key (its value is {error.instance[unknown]!r})",
            where="config key " + _key([*error.absolute_path, unknown]),
            allowed=", ".join(known),
            way_out=f"did you mean {near[0]!r}?" if near else "see config/README.md",
        )
    if error.validator == "required":
        missing = next(name for name in error.schema["required"] if name not in error.instance)
        return BadInputError(
            "the key is missing",
            where="config key " + _key([*error.absolute_path, missing]),
            allowed=allowed_values(error.schema["properties"][missing]),
        )
    way_out = "see config/README.md"
    if isinstance(error.instance, str) and _looks_like_number(error.instance):
        way_out = f"YAML reads {error.instance} as text: write it with a dot, like 1.0e-3"
    elif isinstance(error.instance, str) and isinstance(error.schema.get("enum"), list):
        near = difflib.get_close_matches(
            error.instance, [str(choice) for choice in error.schema["enum"]], n=1, cutoff=0.5
        )
        way_out = f"did you mean {near[0]!r}?" if near else way_out
    return BadInputError(
        f"the value {error.instance!r} is not allowed",
        where=f"config key {key or 'at the top'}",
        allowed=allowed_values(error.schema),
        way_out=way_out,
    )


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def allowed_values(schema: Mapping[str, Any]) -> str:
    """Say in words what one schema accepts, with bounds and unit."""
    if "enum" in schema:
        return " or ".join(str(choice) for choice in schema["enum"])
    kinds = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "array": "list",
        "object": "mapping",
    }
    words = [kinds[schema["type"]]]
    for keyword, sign in (
        ("minimum", ">="),
        ("exclusiveMinimum", ">"),
        ("maximum", "<="),
        ("exclusiveMaximum", "<"),
    ):
        if keyword in schema:
            words.append(f"{sign} {schema[keyword]}")
    if "pattern" in schema:
        words.append(f"like {schema['examples'][0]}")
    if schema["type"] == "array":
        if "minItems" in schema:
            words.append(f"of at least {schema['minItems']}")
        words.append(f"each a {allowed_values(schema['items'])}")
        if schema.get("uniqueItems"):
            words.append("none twice")
    if schema["type"] == "object" and "properties" in schema:
        words.append("with the keys " + ", ".join(schema["properties"]))
    if schema.get("unit"):
        words.append(f"in {schema['unit']}")
    return ", ".join(words)


def _refuse_not_finite(value: Any, path: tuple[Any, ...]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_not_finite(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_not_finite(inner, (*path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadInputError(
            f"the value {value} is not allowed",
            where=f"config key {_key(path)}",
            allowed="a finite number",
        )


def _with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """Fill defaults; keys come out in the schema's order, so that params never differ by order."""
    if schema.get("type") != "object":
        return value
    named = schema.get("properties", {})
    other = schema.get("additionalProperties")
    filled = {
        key: _with_defaults(value.get(key, _default(inner)), inner) for key, inner in named.items()
    }
    if isinstance(other, Mapping):
        filled |= {
            key: _with_defaults(value[key], other) for key in sorted(set(value) - set(named))
        }
    return filled


def _default(schema: Mapping[str, Any]) -> Any:
    return schema.get("default", {} if schema.get("type") == "object" else None)


def _check_instruments(config: Mapping[str, Any]) -> None:
    """Refuse correlations that find fewer than three subsets across the narrowest specimen."""
    from strainprint.maps.instrument import Instrument  # scipy, which few other commands need

    instruments = config["maps"]["instruments"]
    pitch_nm = config["maps"]["pitch_nm"]
    width_nm = min(config["specimens"]["widths_nm"])
    for name, settings in instruments.items():
        where = f"config key maps.instruments.{name}"
        try:
            Instrument(**settings)
        except BadInputError as error:
            raise BadInputError(str(error), where=where) from None
        needed = settings["subset_px"] + 2 * settings["step_px"]
        if needed * pitch_nm > width_nm:
            raise BadInputError(
                f"three subsets need {needed} px of {pitch_nm:g} nm, the narrowest specimen has "
                f"{width_nm:g} nm",
                where=where,
                way_out="a smaller subset_px or step_px, or a finer maps.pitch_nm",
            )
    if "instrument" in config["experiments"] and not instruments:
        raise BadInputError(
            "the experiment 'instrument' has no instrument to try",
            where="config key experiments",
            way_out="describe one or more under maps.instruments",
        )
    for name, study in config["studies"].items():
        if study["instrument"] and study["instrument"] not in instruments:
            raise BadInputError(
                f"the instrument {study['instrument']!r} is not described under 'maps.instruments'",
                where=f"config key studies.{name}.instrument",
                allowed=", ".join(instruments) or "none: describe one under 'maps.instruments'",
            )


def _check_together(config: Mapping[str, Any]) -> None:
    """Check what no schema can say: values that must fit each other."""
    run, specimens, dataset = config["run"], config["specimens"], config["dataset"]

    for name in config["studies"]:
        if name in RESERVED_STUDIES or name.startswith(SEEN_BY):
            raise BadInputError(
                f"a study cannot be called {name!r}: results/{name} is another folder",
                where="config key studies",
            )
    for index, study in enumerate(run["studies"]):
        if study not in config["studies"]:
            near = difflib.get_close_matches(study, config["studies"], n=1)
            raise BadInputError(
                f"the study {study!r} is not described under 'studies'",
                where=f"config key run.studies[{index}]",
                allowed=", ".join(config["studies"]),
                way_out=f"did you mean {near[0]!r}?" if near else "describe it under 'studies'",
            )

    if "leave_out" in config["experiments"] and not (
        len(specimens["widths_nm"]) > 1 or len(specimens["slip_systems"]) > 1
    ):
        raise BadInputError(
            "leave_out has nothing to leave out",
            where="config key experiments",
            allowed="two or more widths or slip systems under specimens",
        )
    _check_instruments(config)
    if "ensembles" in config["experiments"] and len(run["networks"]) < 2:
        raise BadInputError(
            "ensembles has no other network to average",
            where="config key experiments",
            allowed="two or more networks under run.networks",
        )
    settings = config["experiment_settings"]
    both = set(settings["regression_strains"]) & set(settings["regression_unseen_strains"])
    if both:
        raise BadInputError(
            f"{sorted(both)} are in regression_strains and regression_unseen_strains",
            where="config key experiment_settings",
            allowed="strains that are either trained on or not",
        )
    for index, width_nm in enumerate(specimens["widths_nm"]):
        named = parse_subset(subset_name(width_nm, 1))[0]
        if named != width_nm:
            raise BadInputError(
                f"{width_nm!r} nm would be called, and simulated as, {named!r} nm",
                where=f"config key specimens.widths_nm[{index}]",
                allowed="widths of at most six digits",
            )
    crystal = specimens["crystal"]
    check_fit(
        min(specimens["widths_nm"]),
        crystal["plane_spacing_nm"],
        crystal["surface_source_depth_nm"],
    )
    # refuses values that do not go together
    DynamicsSettings(**specimens["dynamics"])
    paths = strain_paths(
        specimens["prior_strains"], specimens["loading"]["sense"], specimens["paths"]
    )
    if len(paths) < 2:
        raise BadInputError(
            f"{paths[0].name} alone leaves nothing to tell apart",
            where="config key specimens.prior_strains",
            allowed="two or more prior strains and paths together",
        )
    if specimens["prior_strains"] != sorted(specimens["prior_strains"]):
        raise BadInputError(
            f"the values {specimens['prior_strains']} do not ascend",
            where="config key specimens.prior_strains",
            allowed="ascending strains: one path serves all of them",
        )
    reload = specimens["reload_strains"]
    if reload["small"] >= reload["large"]:
        raise BadInputError(
            f"small ({reload['small']:g}) is not below large ({reload['large']:g})",
            where="config key specimens.reload_strains",
        )

    count = specimens["per_subset"]
    left = count - max(1, math.floor(count * dataset["test_fraction"] + 0.5))
    if left < 2:
        raise BadInputError(
            f"of {count} specimens per subset the test part leaves {left} to train and validate",
            where="config key specimens.per_subset",
            allowed="enough for each of train, validation and test",
            way_out="raise it, or lower dataset.test_fraction",
        )


def read_schema(path: str | Path) -> dict[str, Any]:
    """Read the config schema (YAML)."""
    import yaml

    with open(path, encoding="utf-8") as handle:
        return dict(yaml.safe_load(handle))


def assumptions(config: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Return one text for each key whose value is assumed rather than known, with the value."""
    said = []
    for key, inner in _leaves(schema, ""):
        evidence = inner.get("evidence", "")
        if "assumed" in evidence:
            value: Any = config
            for part in key.split("."):
                value = value[part]
            unit = f" {inner['unit']}" if "unit" in inner else ""
            said.append(f"`{key}` = {value:g}{unit}: {inner['description']} {_sentence(evidence)}")
    return said


def config_digest(config: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits that tell one config from another."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def config_table(schema: Mapping[str, Any]) -> str:
    """Return the Markdown table of every config key: default, what is allowed, what it means."""
    lines = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{key}` | {default} | {allowed_values(inner)} | {_meaning(inner)} |"
        for key, inner in _leaves(schema, "")
        for default in [f"`{_as_yaml(inner['default'])}`" if "default" in inner else ""]
    ]
    return "\n".join(lines) + "\n"


def _as_yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, default_flow_style=True)).removesuffix("...\n").strip()


def _meaning(schema: Mapping[str, Any]) -> str:
    evidence = schema.get("evidence")
    return f"{schema['description']}" + (f" Evidence: {evidence}." if evidence else "")


def _leaves(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, inner in schema.get("properties", {}).items():
        if inner["type"] == "object":
            yield from _leaves(inner, f"{prefix}{key}.")
        else:
            yield prefix + key, inner
    other = schema.get("additionalProperties")
    if isinstance(other, Mapping) and other["type"] == "object":
        yield from _leaves(other, f"{prefix}NAME.")
    elif isinstance(other, Mapping):
        yield f"{prefix}NAME", other


def _rewrite_config_readme(schema: Path, readme: Path) -> None:
    """Replace the table at the end of config/README.md, from its header row on."""
    text = readme.read_text(encoding="utf-8")
    head = text[: text.index("| key |")]
    readme.write_text(head + config_table(read_schema(schema)), encoding="utf-8")


if __name__ == "__main__":
    _rewrite_config_readme(Path(sys.argv[1]), Path(sys.argv[2]))
