"""The config: complete, described, closed; every error names key, value and what is allowed."""

import copy
import dataclasses
from functools import reduce
from pathlib import Path

import pytest
import yaml

from strainprint.config import check_config_files, checked_config, config_table, read_schema
from strainprint.dataset.splits import SPLITS
from strainprint.errors import BadInputError
from strainprint.maps.studies import STUDIES
from strainprint.networks.architectures import ARCHITECTURES
from strainprint.specimens.crystal import CrystalSettings
from strainprint.specimens.loading import LoadingSettings
from strainprint.specimens.material import Material
from strainprint.specimens.rules import DynamicsSettings
from strainprint.workflow import (
    class_names,
    crop_store_mb,
    lead_network,
    network_mb,
    shard_names,
    shard_size,
    simulate_mb,
    simulate_minutes,
    subset_names,
)

ROOT = Path(__file__).parents[2]
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
PRESETS = ("config", "smoke", "paper")


def preset(name):
    return yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())


def merged(*names):
    def merge(base, overlay):
        for key, value in overlay.items():
            if isinstance(value, dict):
                merge(base.setdefault(key, {}), value)
            else:
                base[key] = value
        return base

    return reduce(merge, map(preset, names), preset("config"))


def schemas_within(schema, path=""):
    yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from schemas_within(inner, f"{path}.{key}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from schemas_within(schema[keyword], f"{path}.<{keyword}>")


def test_the_small_overlay_asks_for_every_experiment_and_can_promise_its_intervals():
    config = checked_config(merged("experiments", "experiments-small"), SCHEMA)
    assert config["experiments"] == preset("experiments")["experiments"]
    asked = config["experiment_settings"]
    subsets = len(config["specimens"]["widths_nm"]) * len(config["specimens"]["slip_systems"])
    dataset = config["dataset"]
    judging = (1 - dataset["test_fraction"]) * (1 - dataset["train_fraction"])
    # Four validation specimens can promise 80 %.
    assert round(asked["regression_per_subset"] * subsets * judging) >= 4


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid(name):
    config = checked_config(merged(name), SCHEMA)
    assert subset_names(config)
    sizes = [shard_size(config, shard) for shard in shard_names(config)]
    assert sum(sizes) == config["specimens"]["per_subset"]


def test_config_yaml_spells_out_every_key_with_the_schemas_default():
    assert preset("config") == checked_config({}, SCHEMA)


def test_checking_a_checked_config_changes_nothing():
    config = checked_config(merged("smoke"), SCHEMA)
    again = checked_config(copy.deepcopy(config), SCHEMA)
    assert again == config
    assert list(again) == list(config)


def test_order_of_keys_does_not_matter():
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(preset("config").items())
    }
    assert repr(checked_config(backwards, SCHEMA)) == repr(checked_config({}, SCHEMA))


def test_every_level_is_closed_and_every_key_described_and_bounded():
    for path, schema in schemas_within(SCHEMA):
        kind = schema.get("type")
        assert kind in {"object", "array", "number", "integer", "string"}, path
        if not path.endswith("<items>"):
            assert schema.get("description"), path
        if kind == "object":
            named = {".studies", ".specimens.paths", ".maps.instruments"}
            assert schema.get("additionalProperties") is False or path in named, path
        if kind in {"number", "integer"} and "enum" not in schema:
            assert {"minimum", "exclusiveMinimum"} & set(schema), path
            assert {"maximum", "exclusiveMaximum"} & set(schema), path


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("material", Material),
        ("crystal", CrystalSettings),
        ("dynamics", DynamicsSettings),
        ("loading", LoadingSettings),
    ],
)
def test_simulator_settings_and_config_are_the_same(section, settings):
    assert checked_config({}, SCHEMA)["specimens"][section] == dataclasses.asdict(settings())


def test_studies_of_the_command_line_are_those_of_the_config():
    config = checked_config({}, SCHEMA)
    assert set(config["studies"]) == set(STUDIES)
    for name, study in STUDIES.items():
        assert dataclasses.asdict(study).items() <= config["studies"][name].items()


def test_choices_are_those_of_the_library():
    run = SCHEMA["properties"]["run"]["properties"]
    assert set(run["networks"]["items"]["enum"]) == set(ARCHITECTURES)
    assert set(run["splits"]["items"]["enum"]) == set(SPLITS)


def test_readme_table_is_the_schemas():
    assert config_table(SCHEMA) in (ROOT / "config/README.md").read_text()


def measured_by(**changes):
    instrument = {"subset_px": 5, "step_px": 2, "window_points": 3, **changes}
    return {"maps": {"instruments": {"one": instrument}}}


BAD = [
    ({"specimen": {}}, "specimen: unknown key", "did you mean 'specimens'?"),
    ({"specimens": {"width_nm": 125}}, "specimens.width_nm", "did you mean 'widths_nm'?"),
    ({"specimens": {"per_subset": "many"}}, "specimens.per_subset: the value 'many'", ">= 3"),
    ({"specimens": {"widths_nm": [125, 5]}}, "specimens.widths_nm[1]: the value 5", "in nm"),
    ({"specimens": {"widths_nm": [62.5, 62.50001]}}, "specimens.widths_nm[1]", "six digits"),
    ({"seed": -1}, "seed: the value -1", "whole number, >= 0"),
    ({"seed": True}, "seed: the value True", "whole number"),
    ({"training": {"learning_rate": "1e-3"}}, "training.learning_rate", "write it with a dot"),
    ({"maps": {"pitch_nm": float("nan")}}, "maps.pitch_nm: the value nan", "finite"),
    ({"run": {"splits": ["profil"]}}, "run.splits[0]: the value 'profil'", "'profile'?"),
    ({"run": {"studies": ["publishd"]}}, "run.studies[0]", "did you mean 'published'?"),
    ({"studies": {"My Study": {}}}, "studies: the value 'My Study'", "my_study"),
    ({"studies": {"published": {"frame": "deformed"}}}, "studies.published.", "missing"),
    ({"specimens": {"prior_strains": [0.1, 0.01]}}, "specimens.prior_strains", "ascend"),
    ({"specimens": {"slip_systems": []}}, "specimens.slip_systems: the value []", "at least 1"),
    ({"specimens": {"reload_strains": {"small": 0.02}}}, "reload_strains", "not below large"),
    (
        {"specimens": {"dynamics": {"velocity_cutoff_nm_per_ns": 0.4}}},
        "specimens.dynamics.velocity_cutoff_nm_per_ns",
        "more than rest_velocity",
    ),
    ({"specimens": {"prior_strains": []}}, "specimens.prior_strains", "one or more"),
    ({"specimens": {"prior_strains": [0.01]}}, "specimens.prior_strains", "two or more"),
    ({"specimens": {"prior_strains": [0.01, 0.25]}}, "specimens.prior_strains[1]", "<= 0.2"),
    ({"specimens": {"loading": {"sense": "torsion"}}}, "loading.sense", "compression or tension"),
    ({"specimens": {"paths": {"Up": ["unload"]}}}, "specimens.paths: the value 'Up'", "like"),
    ({"specimens": {"paths": {"up": ["push 0.1"]}}}, "specimens.paths.up[0]", "pull 0.02"),
    ({"specimens": {"paths": {"up": ["pull 0.5"]}}}, "specimens.paths.up[0]", "at most 0.2"),
    ({"specimens": {"paths": {"up": ["unload", "pull 0.1"]}}}, "paths.up[0]", "a load first"),
    ({"specimens": {"paths": {"up": ["compress 0.1"]}}}, "paths", "up is the same as 0.1"),
    ({"specimens": {"crystal": {"plane_spacing_nm": 70}}}, "plane_spacing_nm", "than the width"),
    ({"specimens": None}, "specimens: the value None", "mapping"),
    (measured_by(subset_px=6), "maps.instruments.one: instrument.subset_px is 6", "an odd number"),
    (measured_by(window_points=4), "maps.instruments.one: instrument.window_points", "odd"),
    (measured_by(subset_px=27, step_px=3), "maps.instruments.one", "need 33 px"),
    (
        {"specimens": {"per_subset": 4}, "dataset": {"test_fraction": 0.8}},
        "specimens.per_subset",
        "train and validate",
    ),
]


@pytest.mark.parametrize(("config", "names", "says"), BAD, ids=[names for _, names, _ in BAD])
def test_a_bad_config_is_refused_by_name_with_the_way_out(config, names, says):
    with pytest.raises(BadInputError) as caught:
        checked_config(config, SCHEMA)
    assert names in str(caught.value)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 700


BAD_FILES = {
    "tab": (b"training:\n\tbatch_size: 3\n", "line 2"),
    "cut": (b"run: {seeds: [0,\n", "line 2"),
    "empty": (b"# seed: 1\n", "holds no keys"),
    "list": (b"- seed\n", "no keys at the top"),
    "latin-1": (b"# f\xfcr\nseed: 1\n", "byte 3 is not UTF-8"),
    "section twice": (b"run: {}\nseed: 1\nrun:\n  seeds: [1]\n", "run stands in lines 1 and 3"),
    "key twice": (
        b"maps:\n  instruments:\n    one: {step_px: 1, step_px: 2}\n",
        "maps.instruments.one.step_px stands in lines 3 and 3",
    ),
}


@pytest.mark.parametrize(("content", "says"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_config_file_that_yaml_reads_in_part_or_not_at_all_is_refused(tmp_path, content, says):
    file = tmp_path / "my config.yaml"
    file.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        check_config_files([file])
    assert str(caught.value).startswith(f"{file}: ")
    assert says in str(caught.value)


def test_a_config_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInputError, match=r"none.yaml: not readable \(No such file"):
        check_config_files([tmp_path / "none.yaml"])


def test_config_files_of_other_editors_and_with_one_key_in_several_sections_are_taken(tmp_path):
    file = tmp_path / "my.yaml"
    file.write_bytes(b"\xef\xbb\xbfrun: {seeds: [1]}\r\nexperiment_settings: {seeds: 2}\r\n")
    check_config_files([file, *(ROOT / "config").glob("*.yaml")])


def test_strain_paths_are_classes_after_the_prior_strains():
    paths = {"there-and-back": ["compress 0.02", "unload", "pull 0.02"], "again": ["pull 0.01"]}
    specimens = {"prior_strains": [0.00123, 0.02], "paths": paths}
    config = checked_config({"specimens": specimens}, SCHEMA)
    assert class_names(config) == ["0.00123", "0.02", "again", "there-and-back"]
    few = checked_config({"specimens": {**specimens, "paths": {}}}, SCHEMA)
    assert crop_store_mb(config) == pytest.approx(2 * crop_store_mb(few), abs=1)


def test_long_paths_ask_for_more_time():
    wide = {"widths_nm": [1000], "prior_strains": [0.01, 0.1]}
    plain = checked_config({"specimens": wide}, SCHEMA)
    paths = {"cycle": ["pull 0.1", "compress 0.2", "pull 0.1"]}
    cycled = checked_config({"specimens": {**wide, "paths": paths}}, SCHEMA)
    minutes = [simulate_minutes(config, "w1000-s1") for config in (plain, cycled)]
    assert minutes[1] == pytest.approx(5 * minutes[0], abs=3)


def test_a_study_cannot_take_the_name_of_another_folder():
    study = preset("config")["studies"]["audited"]
    with pytest.raises(BadInputError, match="results/logs is another folder"):
        checked_config({"run": {"studies": ["logs"]}, "studies": {"logs": study}}, SCHEMA)


def test_more_specimens_only_add_shards():
    few = checked_config({"specimens": {"per_subset": 12}}, SCHEMA)
    more = checked_config({"specimens": {"per_subset": 20}}, SCHEMA)
    assert shard_names(more)[: len(shard_names(few))] == shard_names(few)
    assert len(shard_names(more)) == 10


def test_the_papers_network_leads_where_it_is_run():
    assert lead_network({"run": {"networks": ["res4", "proposed"]}}) == "proposed"
    assert lead_network({"run": {"networks": ["res4", "res4-l2"]}}) == "res4"


def test_wide_specimens_and_large_crops_ask_for_more():
    laptop, paper = (checked_config(merged(name), SCHEMA) for name in ("config", "paper"))
    assert simulate_mb("w0125-s2") == 1504
    assert simulate_mb("w2000-s2") == 5 * simulate_mb("w1000-s1") == 17500
    assert simulate_minutes(paper, "w2000-s2") > 100 * simulate_minutes(paper, "w0125-s2")
    # 3,672 maps of 24 crops of 224 px
    assert 4000 < network_mb(paper) - network_mb(laptop) < 16000
