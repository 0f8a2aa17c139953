"""The sweep's file: complete, plausible, and refused by name where it is not."""

import copy
import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import yaml

from strainprint.calibration.sweep import read_sweep, sample_of, trial_shards
from strainprint.config import read_schema
from strainprint.errors import BadInputError
from strainprint.specimens.crystal import CrystalSettings
from strainprint.specimens.rules import DynamicsSettings
from strainprint.workflow import WILDCARDS

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/calibration.schema.yaml"
CONFIG_SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
FILE = ROOT / "config/calibration.yaml"

SMALL = {
    "per_shard": 2,
    "published": {"yield_exponent": -0.55, "zero_fraction": [0.87, 0.97]},
    "ranges": {"obstacle_strength_mpa": {"low": 50, "high": 300, "evidence": "x"}},
    "base": {field.name: field.default for field in fields(CrystalSettings)},
    "sets": {
        "one": {
            "why": "x",
            "crystal": {"obstacle_strength_mpa": 100.0},
            "samples": [
                {
                    "width_nm": 62.5,
                    "slip_systems": 2,
                    "specimens": 4,
                    "prior_strains": [0.001, 0.01],
                }
            ],
        }
    },
}


def read(tmp_path, change=lambda sweep: None):
    sweep = copy.deepcopy(SMALL)
    change(sweep)
    path = tmp_path / "calibration.yaml"
    path.write_text(yaml.safe_dump(sweep))
    return read_sweep(path, SCHEMA, CONFIG_SCHEMA)


def test_the_projects_sweep_can_be_used_and_its_base_spells_out_every_key():
    sweep = read_sweep(FILE, SCHEMA, CONFIG_SCHEMA)
    names = {field.name for field in fields(CrystalSettings)}
    assert set(yaml.safe_load(FILE.read_text())["base"]) == names
    for name, one in sweep["sets"].items():
        assert set(one["crystal"]) == names
        assert trial_shards(sweep, name)


def test_sets_that_say_nothing_of_hardening_have_none_and_the_defaults_are_one_of_the_sets():
    sets = read_sweep(FILE, SCHEMA, CONFIG_SCHEMA)["sets"]
    assert sets["start"]["dynamics"]["source_hardening"] == 0.0
    assert sets["two-own-sparse"]["dynamics"] == asdict(DynamicsSettings())
    assert sets["two-own-sparse"]["crystal"] == asdict(CrystalSettings())


def test_a_set_is_the_base_with_what_it_changes(tmp_path):
    sweep = read(tmp_path)
    assert sweep["sets"]["one"]["crystal"] == SMALL["base"] | {"obstacle_strength_mpa": 100.0}
    assert sweep["sets"]["one"]["dynamics"] == asdict(DynamicsSettings())
    assert sweep["bootstrap_samples"] == 2000


def test_shards_count_the_specimens_and_lead_back_to_their_sample(tmp_path):
    sweep = read(tmp_path)
    shards = trial_shards(sweep, "one")
    assert shards == [{"subset": "w0062.5-s2", "shard": s} for s in ("0000", "0001")]
    assert sample_of(sweep, "one", "w0062.5-s2")["specimens"] == 4
    with pytest.raises(BadInputError, match="no sample w0125-s2"):
        sample_of(sweep, "one", "w0125-s2")


def outside(sweep):
    sweep["sets"]["one"]["crystal"]["obstacle_strength_mpa"] = 400.0


def odd(sweep):
    sweep["sets"]["one"]["samples"][0]["specimens"] = 3


def misspelt(sweep):
    sweep["sets"]["one"]["crystal"]["obstacle_strength"] = 100.0


def misranged(sweep):
    sweep["ranges"]["obstacles"] = sweep["ranges"].pop("obstacle_strength_mpa")


def unnamed(sweep):
    sweep["sets"]["one"].pop("why")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (outside, "obstacle_strength_mpa is 400"),
        (odd, "multiple of per_shard"),
        (misspelt, "obstacle_strength"),
        (misranged, "'obstacles' is no key"),
        (unnamed, "sets.one.why"),
    ],
)
def test_a_bad_sweep_is_refused_by_name(tmp_path, change, says):
    with pytest.raises(BadInputError, match=says):
        read(tmp_path, change)


def test_names_of_sets_fit_file_names():
    for name in read_sweep(FILE, SCHEMA, CONFIG_SCHEMA)["sets"]:
        assert re.fullmatch(WILDCARDS["trial"], name), name
