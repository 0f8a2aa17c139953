"""Shards made specimen by specimen: cut short, taken up again, grown; always the same bytes."""

import pytest

from strainprint.specimens import parts
from strainprint.specimens.parts import simulate_by_parts
from strainprint.specimens.record import read_shard
from strainprint.specimens.simulate import simulate_shard

SETTINGS = {
    "width_nm": 62.5,
    "slip_systems": 1,
    "seed": 7,
    "prior_strains": [0.001],
    "reload_strains": {"small": 0.001, "large": 0.002},
}


@pytest.fixture
def simulated(monkeypatch):
    """The numbers of the specimens that are really simulated."""
    numbers = []

    def counting(*files, first, **settings):
        numbers.append(first)
        simulate_shard(*files, first=first, **settings)

    monkeypatch.setattr(parts, "simulate_shard", counting)
    return numbers


def make(folder, count, *, keep_parts=False, code="first", **changes):
    files = folder / "0001.h5", folder / "0001.json"
    simulate_by_parts(
        *files,
        folder / "0001.parts",
        first=4,
        count=count,
        keep_parts=keep_parts,
        code=code,
        **{**SETTINGS, **changes},
    )
    return [file.read_bytes() for file in files]


def test_specimens_are_those_of_a_shard_made_in_one_go(tmp_path, simulated):
    make(tmp_path, 2)
    simulate_shard(tmp_path / "whole.h5", tmp_path / "whole.json", first=4, count=2, **SETTINGS)
    joined, whole = (read_shard(tmp_path / name) for name in ("0001.h5", "whole.h5"))
    assert joined.parameters == whole.parameters
    assert [s.specimen_id for s in joined.specimens] == [s.specimen_id for s in whole.specimens]
    for one, other in zip(joined.specimens, whole.specimens, strict=True):
        assert one.seed == other.seed
        assert (
            one.paths["0.001"].reload_stress_mpa == other.paths["0.001"].reload_stress_mpa
        ).all()
    assert simulated == [4, 5]
    assert not (tmp_path / "0001.parts").exists()


def test_a_shard_cut_short_goes_on_with_the_next_specimen(tmp_path, simulated, monkeypatch):
    undisturbed = make(tmp_path / "undisturbed", 2)
    simulated.clear()
    counting = parts.simulate_shard

    def killed(*files, first, **settings):
        if first == 5:
            raise KeyboardInterrupt
        counting(*files, first=first, **settings)

    monkeypatch.setattr(parts, "simulate_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "cut", 2)
    monkeypatch.setattr(parts, "simulate_shard", counting)
    assert make(tmp_path / "cut", 2) == undisturbed
    assert simulated == [4, 5]


def test_a_last_shard_grows_without_redoing_what_is_there(tmp_path, simulated):
    make(tmp_path, 1, keep_parts=True)
    grown = make(tmp_path, 2)
    assert simulated == [4, 5]
    assert grown == make(tmp_path / "afresh", 2)


@pytest.mark.parametrize("changes", [{"code": "second"}, {"seed": 8}])
def test_specimens_of_other_code_or_settings_are_not_taken(tmp_path, simulated, changes):
    make(tmp_path, 1, keep_parts=True)
    make(tmp_path, 1, keep_parts=True, **changes)
    assert simulated == [4, 4]
    assert len(list((tmp_path / "0001.parts").iterdir())) == 1


def test_a_damaged_specimen_is_simulated_again(tmp_path, simulated):
    first = make(tmp_path, 1, keep_parts=True)
    (part,) = (tmp_path / "0001.parts").rglob("*.h5")
    part.write_bytes(part.read_bytes()[:100])
    assert make(tmp_path, 1, keep_parts=True) == first
    assert simulated == [4, 4]
