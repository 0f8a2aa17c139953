"""A shard that was altered or cut short is refused by name, never read as other specimens."""

import json

import pytest

from strainprint.errors import BadInputError
from strainprint.specimens.record import read_shard, verify_shard
from strainprint.specimens.simulate import simulate_shard


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    shard = tmp_path_factory.mktemp("specimens") / "0000.h5"
    simulate_shard(
        shard,
        shard.with_suffix(".json"),
        width_nm=62.5,
        slip_systems=1,
        first=0,
        count=1,
        seed=0,
        prior_strains=[0.001],
        reload_strains={"small": 0.001, "large": 0.002},
    )
    return shard


@pytest.fixture
def shard(simulated, tmp_path):
    copy = tmp_path / simulated.name
    for suffix in (".h5", ".json"):
        copy.with_suffix(suffix).write_bytes(simulated.with_suffix(suffix).read_bytes())
    return copy


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_sound_shard_is_read_and_agrees_with_its_manifest(shard):
    verify_shard(shard, shard.with_suffix(".json"))
    (specimen,) = read_shard(shard).specimens
    assert specimen.specimen_id == "w0062.5-s1-00000"


@pytest.mark.parametrize(
    "damage", [flipped, lambda content: content[:-1], lambda content: content[: len(content) // 2]]
)
def test_an_altered_or_truncated_shard_is_named_once_with_the_way_out(shard, damage):
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(BadInputError, match="differs from its manifest") as caught:
        read_shard(shard)
    assert str(caught.value).startswith(f"{shard}: content")
    assert "run the simulation again" in str(caught.value)


def test_a_truncated_shard_is_named_without_its_manifest_too(shard):
    shard.with_suffix(".json").unlink()
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(BadInputError, match="not readable as specimens") as caught:
        read_shard(shard)
    assert str(shard) in str(caught.value)


def test_a_manifest_without_its_checksum_proves_nothing(shard):
    manifest = shard.with_suffix(".json")
    content = json.loads(manifest.read_text())
    del content["sha256"]
    manifest.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match="differs from its manifest"):
        read_shard(shard)


def test_other_json_of_the_same_name_is_no_manifest(shard):
    shard.with_suffix(".json").write_text('{"notes": "mine"}')
    assert read_shard(shard).specimens


def test_a_missing_shard_is_said_to_be_missing(tmp_path):
    with pytest.raises(BadInputError, match=r"0000\.h5: file is missing"):
        read_shard(tmp_path / "0000.h5")
