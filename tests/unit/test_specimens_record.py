import json
import shutil

import h5py
import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.specimens.crystal import CrystalSettings
from strainprint.specimens.material import Material
from strainprint.specimens.record import read_shard, verify_shard
from strainprint.specimens.simulate import simulate_shard
from strainprint.specimens.state import macroscopic_stress_mpa

SHORT = {
    "prior_strains": [0.001, 0.003],
    "paths": {"back": ["compress 0.001", "unload", "pull 0.0015"]},
    "reload_strains": {"small": 0.001, "large": 0.002},
}


@pytest.fixture(scope="module")
def shard_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("specimens") / "0000.h5"
    simulate_shard(
        path,
        path.with_suffix(".json"),
        width_nm=62.5,
        slip_systems=2,
        first=0,
        count=2,
        seed=11,
        **SHORT,
    )
    return path


@pytest.fixture
def copied(shard_path, tmp_path):
    return shutil.copy(shard_path, tmp_path / "copied.h5")


def test_a_shard_reads_back_what_the_maps_and_curves_need(shard_path):
    shard = read_shard(shard_path)
    assert (shard.subset, shard.width_nm, shard.height_nm) == ("w0062.5-s2", 62.5, 250.0)
    assert shard.slip_systems == 2
    assert shard.material == Material()
    assert shard.reload_strains == SHORT["reload_strains"]
    assert [s.specimen_id for s in shard.specimens] == ["w0062.5-s2-00000", "w0062.5-s2-00001"]
    assert [s.index for s in shard.specimens] == [0, 1]
    assert shard.specimens[0].seed != shard.specimens[1].seed
    for specimen in shard.specimens:
        assert list(specimen.paths) == ["0.001", "0.003", "back"]
        longest = specimen.virgin_curve
        assert longest.strain[-1] == pytest.approx(0.003)
        assert longest.settled.dtype == bool
        back = specimen.paths["back"]
        assert back.prior_strain == pytest.approx(0.0025)
        assert [leg.step for leg in back.legs] == [
            "compress 0.001", "unload", "pull 0.0015", "unload",
        ]  # fmt: skip
        assert back.legs[2].start_strain > back.legs[1].start_strain
        for path in specimen.paths.values():
            np.testing.assert_allclose(path.reload_strain, np.arange(21) * 1e-4, atol=1e-12)
            # the curve passed where the small reload came to rest
            for state, point, share in [
                (path.reference, 0, 0.0),
                (path.small, 10, 0.01),
                (path.large, 20, 0.0),
            ]:
                stress = macroscopic_stress_mpa(specimen.crystal, shard.material, state)
                found = path.reload_stress_mpa[point]
                assert found == pytest.approx(-stress, rel=share, abs=1e-6)


def test_every_parameter_and_the_config_seed_are_recorded(shard_path):
    parameters = read_shard(shard_path).parameters
    assert parameters["config_seed"] == 11
    assert parameters["paths"] == {
        "0.001": "compress 0.001, unload",
        "0.003": "compress 0.003, unload",
        "back": "compress 0.001, unload, pull 0.0015, unload",
    }
    assert parameters["crystal"] == vars(CrystalSettings())
    assert {"dynamics", "loading"} <= set(parameters)


def test_identity_errors_are_stored_and_within_tolerance(shard_path):
    manifest = json.loads(shard_path.with_suffix(".json").read_text())
    with h5py.File(shard_path) as file:
        stored = [group.attrs["largest_identity_error"] for group in file.values()]
    assert 0 < max(stored) < 1e-6
    assert manifest["largest_identity_error"] == max(stored)


def test_lengths_and_stresses_carry_their_units(shard_path):
    with h5py.File(shard_path) as file:
        specimen = file["w0062.5-s2-00000"]
        assert specimen["crystal/source_strength_mpa"].attrs["units"] == "MPa"
        assert specimen["prior_0.003/large/position_nm"].attrs["units"] == "nm"


def test_an_untouched_shard_agrees_with_its_manifest(shard_path, copied):
    manifest = shard_path.with_suffix(".json")
    verify_shard(shard_path, manifest)
    with h5py.File(copied, "r+") as file:
        file["w0062.5-s2-00001/prior_0.003/legs/0/stress_mpa"][3] += 1.0
    with pytest.raises(BadInputError, match=r"copied\.h5"):
        verify_shard(copied, manifest)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInputError, match=r"absent\.h5"):
        read_shard(tmp_path / "absent.h5")


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_a_truncated_file_is_named(copied, kept):
    content = copied.read_bytes()
    copied.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.raises(BadInputError, match=r"copied\.h5"):
        read_shard(copied)


def test_a_file_of_another_format_is_named(tmp_path):
    text = tmp_path / "notes.h5"
    text.write_text("not HDF5 at all")
    with pytest.raises(BadInputError, match=r"notes\.h5"):
        read_shard(text)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.attrs["format"] = "something-else"
    with pytest.raises(BadInputError, match=r"other\.h5(?s:.*)strainprint-specimens"):
        read_shard(other)


@pytest.mark.parametrize("version", [1, 3])
def test_a_file_of_another_version_is_named(copied, version):
    with h5py.File(copied, "r+") as file:
        file.attrs["version"] = version
    message = rf"copied\.h5(?s:.*)version {version}(?s:.*)version 2(?s:.*)run the simulation again"
    with pytest.raises(BadInputError, match=message):
        read_shard(copied)


def _replace(group, name, values):
    dtype = group[name].dtype
    del group[name]
    group[name] = np.asarray(values, dtype)


PLACES = {"plane": [0, 1], "position_nm": [20.0, 30.0], "sign": [1, -1]}


@pytest.mark.parametrize(
    "damage",
    [
        {"position_nm": [20.0, 125.5]},
        {"position_nm": [-0.1, 30.0]},
        {"position_nm": [np.nan, 30.0]},
        {"position_nm": [20.0]},
        {"sign": [1, 0]},
        {"sign": [1]},
        {"plane": [0, 100000]},
        {"plane": [-1, 0]},
        {"whole_plane_slip": [0, 1]},
    ],
    ids=lambda damage: "-".join(damage),
)
def test_an_impossible_state_is_named(copied, damage):
    with h5py.File(copied, "r+") as file:
        state = file["w0062.5-s2-00001/prior_0.003/large"]
        for name, values in PLACES.items():
            _replace(state, name, values)
    read_shard(copied)
    with h5py.File(copied, "r+") as file:
        for name, values in damage.items():
            _replace(file["w0062.5-s2-00001/prior_0.003/large"], name, values)
    with pytest.raises(
        BadInputError, match=r"copied\.h5(?s:.*)w0062\.5-s2-00001/prior_0\.003/large"
    ):
        read_shard(copied)


@pytest.mark.parametrize(
    "lost", ["reference", "small", "reload/stress_mpa", "large/sign", "legs/0"]
)
def test_a_lost_part_is_named(copied, lost):
    with h5py.File(copied, "r+") as file:
        del file[f"w0062.5-s2-00000/prior_0.001/{lost}"]
    with pytest.raises(BadInputError, match=r"copied\.h5"):
        read_shard(copied)


def test_an_unreal_platen_is_named(copied):
    with h5py.File(copied, "r+") as file:
        file["w0062.5-s2-00000/prior_0.001/small"].attrs["platen_displacement_nm"] = np.inf
    with pytest.raises(BadInputError, match=r"copied\.h5"):
        read_shard(copied)


@pytest.mark.parametrize(
    "name, value",
    [
        ("source_plane", 10**6),
        ("source_plane", -1),
        ("source_position_nm", 125.5),
        ("obstacle_position_nm", -0.5),
        ("obstacle_strength_mpa", np.nan),
    ],
)
def test_an_impossible_defect_is_named(copied, name, value):
    with h5py.File(copied, "r+") as file:
        file[f"w0062.5-s2-00000/crystal/{name}"][0] = value
    with pytest.raises(BadInputError, match=r"copied\.h5(?s:.*)w0062\.5-s2-00000/crystal"):
        read_shard(copied)


@pytest.mark.parametrize("name", ["source_strength_mpa", "obstacle_position_nm", "plane_angle"])
def test_arrays_of_unequal_length_are_named(copied, name):
    with h5py.File(copied, "r+") as file:
        crystal = file["w0062.5-s2-00000/crystal"]
        _replace(crystal, name, crystal[name][:-1])
    with pytest.raises(BadInputError, match=r"copied\.h5(?s:.*)w0062\.5-s2-00000/crystal"):
        read_shard(copied)
