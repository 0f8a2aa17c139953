"""The two splits: proportions, strata, and that no specimen crosses."""

import pandas as pd
import pytest
from small_study import CLASSES, write_small_maps

from strainprint.dataset.manifest import build_manifest, read_manifest
from strainprint.dataset.splits import build_split, deal_out, read_split
from strainprint.errors import BadInputError

FRACTIONS = {"test_fraction": 0.25, "train_fraction": 0.82}


def counts(parts: dict[str, str]) -> tuple[int, int, int]:
    dealt = list(parts.values())
    return tuple(dealt.count(part) for part in ("train", "validation", "test"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    jsons = write_small_maps(root, specimens=8)
    manifest = root / "audited/dataset/manifest.csv"
    build_manifest(
        jsons,
        root,
        manifest,
        classes=CLASSES,
        scalar="equivalent",
        range_floor=1e-6,
    )
    return root, manifest


@pytest.mark.parametrize(
    ("count", "expected"),
    [(100, (61, 14, 25)), (12, (7, 2, 3)), (8, (5, 1, 2)), (4, (2, 1, 1)), (3, (1, 1, 1))],
)
def test_a_quarter_tests_and_the_rest_is_dealt_82_to_18(count, expected):
    names = [f"specimen {index}" for index in range(count)]
    assert counts(deal_out(names, seed=0, **FRACTIONS)) == expected


def test_parts_do_not_depend_on_the_order_of_names_but_on_the_seed():
    names = [f"specimen {index}" for index in range(40)]
    parts = deal_out(names, seed=1, **FRACTIONS)
    assert deal_out(names[::-1], seed=1, **FRACTIONS) == parts
    assert deal_out(names, seed=2, **FRACTIONS) != parts


def test_more_specimens_move_few_of_those_there():
    names = [f"specimen {index}" for index in range(60)]
    before = deal_out(names[:50], seed=0, **FRACTIONS)
    after = deal_out(names, seed=0, **FRACTIONS)
    assert sum(before[name] != after[name] for name in before) <= 10


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


def test_too_few_specimens_name_subset_class_part_and_way_out(tmp_path):
    jsons = write_small_maps(tmp_path, specimens=2)
    manifest = tmp_path / "manifest.csv"
    build_manifest(
        jsons,
        tmp_path,
        manifest,
        classes=CLASSES,
        scalar="equivalent",
        range_floor=1e-6,
    )
    for split in ("profile", "specimen"):
        with pytest.raises(BadInputError) as caught:
            build_split(manifest, tmp_path / "s.csv", split=split, seed=0)
        for word in ("w0030-s2", "class 0.001", "validation", "per_subset"):
            assert word in str(caught.value)
    assert not (tmp_path / "s.csv").exists()


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
