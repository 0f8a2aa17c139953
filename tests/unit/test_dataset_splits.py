"""The two splits: proportions, strata, and that no specimen crosses."""

import re

import pandas as pd
import pytest
from small_study import CLASSES, write_small_maps

from strainprint.dataset.manifest import build_manifest, read_manifest
from strainprint.dataset.splits import build_split, part_of_specimen, read_split
from strainprint.errors import BadInputError

FRACTIONS = {"test_fraction": 0.25, "train_fraction": 0.82}


def deal_out(count: int, *, stratum=("w0125-s2",), seed=0, **fractions) -> list[str]:
    return [
        part_of_specimen(number, stratum=stratum, seed=seed, **{**FRACTIONS, **fractions})
        for number in range(count)
    ]


def counts(parts: list[str]) -> tuple[int, int, int]:
    return tuple(parts.count(part) for part in ("train", "validation", "test"))


def manifest_of(folder, jsons):
    manifest = folder / "manifest.csv"
    build_manifest(jsons, folder, manifest, classes=CLASSES, scalar="equivalent", range_floor=1e-6)
    return manifest


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    manifest = manifest_of(root, write_small_maps(root, specimens=8))
    return root, manifest


@pytest.mark.parametrize(
    ("count", "expected"),
    [(100, (61, 14, 25)), (12, (7, 2, 3)), (8, (5, 1, 2)), (4, (2, 1, 1)), (3, (1, 1, 1))],
)
def test_a_quarter_tests_and_the_rest_is_dealt_82_to_18(count, expected):
    assert counts(deal_out(count)) == expected


@pytest.mark.parametrize("test_fraction", [0.05, 0.25, 0.3, 0.8])
@pytest.mark.parametrize("train_fraction", [0.1, 0.82, 0.95])
def test_every_count_keeps_the_shares_to_within_a_block_and_lacks_no_part(
    test_fraction, train_fraction
):
    fractions = {"test_fraction": test_fraction, "train_fraction": train_fraction}
    parts = deal_out(400, **fractions)
    for count in range(3, 401):
        train, validation, test = counts(parts[:count])
        # Both are rounded, at least one and never all; a block cut short may be two ahead.
        assert abs(test - count * test_fraction) <= 2
        assert abs(validation - (count - test) * (1 - train_fraction)) <= 2.5
        if test_fraction <= 0.5:
            assert min(train, validation, test) >= 1, count


def test_specimens_added_later_move_none_of_those_there(study, tmp_path):
    _, manifest = study
    table = read_manifest(manifest)
    table[table["specimen"] < 6].to_csv(tmp_path / "fewer.csv", index=False)
    for split in ("profile", "specimen"):
        before = build_split(tmp_path / "fewer.csv", tmp_path / "f.csv", split=split, seed=0)
        after = build_split(manifest, tmp_path / "m.csv", split=split, seed=0)
        part_of = after.set_index("map_id")["part"]
        assert (part_of[before["map_id"]].to_numpy() == before["part"].to_numpy()).all()


def test_a_lost_specimen_moves_none_of_the_others(study, tmp_path):
    _, manifest = study
    table = read_manifest(manifest)
    table[table["specimen"] != 5].to_csv(tmp_path / "without.csv", index=False)
    for split in ("profile", "specimen"):
        without = build_split(tmp_path / "without.csv", tmp_path / "w.csv", split=split, seed=0)
        part_of = build_split(manifest, tmp_path / "m.csv", split=split, seed=0)
        part_of = part_of.set_index("map_id")["part"]
        assert (part_of[without["map_id"]].to_numpy() == without["part"].to_numpy()).all()


def test_which_specimens_test_depends_on_seed_and_stratum():
    parts = deal_out(40)
    assert deal_out(40) == parts
    assert deal_out(40, seed=2) != parts
    assert deal_out(40, stratum=("w0250-s2",)) != parts
    assert counts(deal_out(40, seed=2)) == counts(parts)


def test_every_place_of_a_block_tests_about_as_often_as_the_others():
    tests = [0] * 4
    for seed in range(400):
        for number, part in enumerate(deal_out(12, seed=seed)[8:]):
            tests[number] += part == "test"
    # 100 expected of 400 draws at each place; five standard deviations of a binomial are 43
    assert all(57 <= count <= 143 for count in tests), tests


def test_no_specimen_crosses_in_the_specimen_split(study):
    root, manifest = study
    table = build_split(manifest, root / "specimen.csv", split="specimen", seed=0)
    assert (table.groupby("specimen_id")["part"].nunique() == 1).all()
    full = read_manifest(manifest).assign(part=table["part"])
    per_subset = full.groupby(["subset", "part"])["specimen_id"].nunique().unstack()
    assert (per_subset["test"] == 2).all()
    assert (per_subset["validation"] == 1).all()
    per_class = full.groupby(["part", "label"]).size().unstack()
    assert (per_class.nunique(axis=1) == 1).all(), "classes are balanced in every part"


def test_profile_split_takes_a_quarter_of_every_stratum_and_crosses(study):
    root, manifest = study
    table = build_split(manifest, root / "profile.csv", split="profile", seed=0)
    full = read_manifest(manifest).assign(part=table["part"])
    strata = full.groupby(["subset", "label", "reload", "part"]).size().unstack()
    assert (strata["test"] == 2).all()
    assert (strata["validation"] == 1).all()
    assert (table.groupby("specimen_id")["part"].nunique() > 1).any()


@pytest.mark.parametrize("split", ["profile", "specimen"])
def test_split_reads_back_in_manifest_order_and_repeats_bit_for_bit(study, split):
    root, manifest = study
    out, again = root / "one.csv", root / "two.csv"
    table = build_split(manifest, out, split=split, seed=3)
    build_split(manifest, again, split=split, seed=3)
    assert out.read_bytes() == again.read_bytes()
    assert list(table.columns) == ["map_id", "specimen_id", "part"]
    assert read_split(out, read_manifest(manifest)).tolist() == table["part"].tolist()


@pytest.mark.parametrize("split", ["profile", "specimen"])
def test_a_class_that_nothing_trains_or_validates_names_class_part_and_way_out(tmp_path, split):
    manifest = manifest_of(tmp_path, write_small_maps(tmp_path, widths_nm=(30.0,), specimens=1))
    with pytest.raises(BadInputError) as caught:
        build_split(manifest, tmp_path / "s.csv", split=split, seed=0)
    for words in (r"class 0\.\d+.* for (train|validation|test)", "per_subset"):
        assert re.search(words, str(caught.value))
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize("split", ["profile", "specimen"])
def test_a_subset_of_one_specimen_is_dealt_out_and_what_it_lacks_is_logged(tmp_path, split, caplog):
    whole = write_small_maps(tmp_path, widths_nm=(30.0,), specimens=8)
    alone = build_split(manifest_of(tmp_path, whole), tmp_path / "s.csv", split=split, seed=0)
    thin = write_small_maps(tmp_path, widths_nm=(40.0,), specimens=1)
    caplog.clear()
    both = build_split(manifest_of(tmp_path, whole + thin), tmp_path / "s.csv", split=split, seed=0)
    assert "w0040-s2" in caplog.text
    assert "w0030-s2" not in caplog.text
    of_thin = both["specimen_id"].str.startswith("w0040-s2")
    assert of_thin.sum() == 6
    pd.testing.assert_frame_equal(both[~of_thin].reset_index(drop=True), alone)


def test_unknown_split_and_fractions_out_of_range_are_refused(study):
    root, manifest = study
    with pytest.raises(BadInputError, match="split 'random'"):
        build_split(manifest, root / "x.csv", split="random", seed=0)
    with pytest.raises(BadInputError, match="test_fraction"):
        build_split(manifest, root / "x.csv", split="profile", seed=0, test_fraction=1.0)


def test_split_of_another_manifest_is_refused(study):
    root, manifest = study
    out = root / "other.csv"
    build_split(manifest, out, split="profile", seed=0)
    full = read_manifest(manifest)
    with pytest.raises(BadInputError, match="not those of the manifest"):
        read_split(out, full.iloc[1:])
    table = pd.read_csv(out)
    table.loc[0, "part"] = "exam"
    table.to_csv(out, index=False)
    with pytest.raises(BadInputError, match="exam"):
        read_split(out, full)
    with pytest.raises(BadInputError, match="not readable"):
        read_split(root / "none.csv", full)
