import itertools
import json
import logging
import subprocess
import sys

import h5py
import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.maps.measure import measure_shard
from strainprint.maps.store import MapShard
from strainprint.specimens import loading
from strainprint.specimens import simulate as module
from strainprint.specimens.record import read_shard
from strainprint.specimens.simulate import simulate_shard

NARROW = {
    "width_nm": 62.5,
    "slip_systems": 2,
    "seed": 7,
    "prior_strains": [0.002],
    "reload_strains": {"small": 0.001, "large": 0.002},
}


def simulate(folder, first, count, **changes):
    folder.mkdir(exist_ok=True)
    path = folder / f"{first:04d}.h5"
    simulate_shard(
        path, path.with_suffix(".json"), first=first, count=count, **{**NARROW, **changes}
    )
    return path


def _content(group):
    """Every array and attribute below a group, by path."""
    content = dict(group.attrs)

    def visit(name, item):
        content.update({f"{name}@{key}": value for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            content[name] = item[()]

    group.visititems(visit)
    return content


def test_same_seed_gives_the_same_bytes(tmp_path):
    first, again = (simulate(tmp_path / name, 0, 2) for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()
    assert first.with_suffix(".json").read_bytes() == again.with_suffix(".json").read_bytes()


def test_another_config_seed_gives_other_specimens(tmp_path):
    first = read_shard(simulate(tmp_path / "a", 0, 1)).specimens[0]
    other = read_shard(simulate(tmp_path / "b", 0, 1, seed=8)).specimens[0]
    assert first.seed != other.seed
    assert not np.array_equal(
        first.crystal.source_strength_mpa[:3], other.crystal.source_strength_mpa[:3]
    )


def test_specimens_do_not_depend_on_the_size_of_their_shard(tmp_path):
    together = simulate(tmp_path / "together", 0, 2)
    alone = [simulate(tmp_path / "alone", index, 1) for index in (1, 0)]
    with h5py.File(together) as whole:
        for path in alone:
            with h5py.File(path) as part:
                (name,) = part
                found, expected = _content(part[name]), _content(whole[name])
                assert found.keys() == expected.keys()
                for key, value in expected.items():
                    np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_the_manifest_lists_the_specimens_and_their_seeds(tmp_path):
    path = simulate(tmp_path, 3, 2)
    manifest = json.loads(path.with_suffix(".json").read_text())
    shard = read_shard(path)
    assert manifest["subset"] == "w0062.5-s2"
    assert manifest["count"] == 2
    assert manifest["specimens"] == ["w0062.5-s2-00003", "w0062.5-s2-00004"]
    assert manifest["seeds"] == [specimen.seed for specimen in shard.specimens]


@pytest.mark.parametrize("section", ["material", "crystal", "dynamics", "loading"])
def test_an_unknown_setting_is_named(tmp_path, section):
    with pytest.raises(BadInputError, match=rf"specimens\.{section}: unknown key 'colour'"):
        simulate(tmp_path, 0, 1, **{section: {"colour": 1}})


@pytest.mark.parametrize(
    "changes",
    [
        {"material": {"poissons_ratio": 0.5}},
        {"material": {"burgers_vector_nm": 0.0}},
        {"width_nm": 0.0},
        {"slip_systems": 3},
        {"prior_strains": [0.3]},
        {"prior_strains": [0.01, 0.01]},
        {"paths": {"up": ["twist 0.1"]}},
        {"reload_strains": {"small": 0.002, "large": 0.001}},
        {"reload_strains": {"large": 0.001}},
        {"loading": {"strain_step": -1.0}},
        {"crystal": {"plane_spacing_nm": 70.0}},
    ],
    ids=str,
)
def test_settings_no_specimen_can_have_are_refused_and_leave_no_file(tmp_path, changes):
    with pytest.raises(BadInputError):
        simulate(tmp_path, 0, 1, **changes)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_shard_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="count is 0"):
        simulate(tmp_path, 0, 0)


def test_a_killed_simulation_leaves_nothing_behind(tmp_path):
    code = (
        "import sys\n"
        "from strainprint.specimens import simulate\n"
        "run = simulate.simulate_specimen\n"
        "def told(*arguments):\n"
        "    print('one', flush=True)\n"
        "    return run(*arguments)\n"
        "simulate.simulate_specimen = told\n"
        "simulate.simulate_shard(sys.argv[1] + '.h5', sys.argv[1] + '.json', width_nm=62.5,\n"
        "    slip_systems=1, first=0, count=1000, seed=0, prior_strains=[0.001])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "shard")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.kill()
    assert lines == ["one\n"] * 3
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def second_breaks(monkeypatch):
    """Let the macroscopic identity break in the second specimen that is simulated."""
    simulate, order = module.simulate_specimen, itertools.count()

    def sometimes(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            if next(order) == 1:
                patch.setattr(loading, "IDENTITY_TOLERANCE", -1.0)
            return simulate(*arguments)

    monkeypatch.setattr(module, "simulate_specimen", sometimes)


@pytest.fixture
def whole(tmp_path):
    return read_shard(simulate(tmp_path / "whole", 0, 3))


def test_a_run_that_breaks_a_physical_check_is_set_aside_and_the_others_go_on(
    whole, tmp_path, second_breaks, caplog
):
    path = simulate(tmp_path / "broken", 0, 3)
    shard = read_shard(path)
    assert [s.specimen_id[-5:] for s in shard.specimens] == ["00000", "00002"]
    for found, expected in zip(shard.specimens, whole.specimens[::2], strict=True):
        assert found.seed == expected.seed
    (lost,) = shard.lost
    assert (lost.specimen_id, lost.seed) == ("w0062.5-s2-00001", whole.specimens[1].seed)
    assert "macroscopic identity broken" in lost.reason
    assert lost.doing == "compress 0.002"
    np.testing.assert_array_equal(
        lost.crystal.source_position_nm, whole.specimens[1].crystal.source_position_nm
    )
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert manifest["count"] == 2
    (told,) = manifest["lost"]
    assert told["specimen_id"] == lost.specimen_id
    assert (told["seed"], told["reason"], told["doing"]) == (lost.seed, lost.reason, lost.doing)
    assert told["strain"] == lost.strain == 0
    with h5py.File(path) as file:
        assert "position_nm" in file[told["group"]]["state"]
    assert "w0062.5-s2-00001" in caplog.text
    assert "macroscopic identity broken" in caplog.text


def test_the_log_says_now_and_then_how_far_a_specimen_is(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "_PROGRESS_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO, module.__name__):
        shard = read_shard(simulate(tmp_path / "shard", 0, 1))
    told = [message for message in caplog.messages if "now at strain" in message]
    assert all(message.startswith("w0062.5-s2-00000: compress 0.00") for message in told)
    assert any("compress 0.002, now at strain -0.0020; " in message for message in told)
    (path,) = shard.specimens[0].paths.values()
    left = len(path.large.plane)
    assert f"; {left} dislocations after " in told[-1] and "reload, now at" in told[-1]

    monkeypatch.undo()
    caplog.clear()
    with caplog.at_level(logging.INFO, module.__name__):
        simulate(tmp_path / "quiet", 0, 1)
    assert "now at strain" not in caplog.text


RUN_AWAY = {
    "dynamics": {"density_limit_per_um2": 10.0},
    "crystal": {"obstacle_density_per_um2": 20000.0},
    "prior_strains": [0.02],
}
"""In 62.5 nm the first dislocation is one too many."""


def test_a_run_away_keeps_its_last_state_and_the_strain_that_it_reached(tmp_path):
    path = simulate(tmp_path, 0, 1, **RUN_AWAY)
    shard = read_shard(path)
    assert shard.specimens == []
    (lost,) = shard.lost
    assert "multiply without bound" in lost.reason
    assert -0.02 < lost.strain < -0.001
    assert len(lost.state.plane) > 0
    assert lost.state.platen_displacement_nm == pytest.approx(lost.strain * 250)
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert (manifest["count"], manifest["specimens"]) == (0, [])


def test_a_shard_of_lost_specimens_measures_to_a_shard_without_maps(tmp_path):
    path = simulate(tmp_path, 0, 1, **RUN_AWAY)
    measure_shard(path, tmp_path / "m.zarr", tmp_path / "m.json", study="s", frame="reference")
    maps = MapShard.open(tmp_path / "m.json")
    assert len(maps) == 0
    assert set(maps.lost) == {"w0062.5-s2-00000"}
