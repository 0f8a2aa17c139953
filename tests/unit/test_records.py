"""Records of the results: altered and missing files are named, with the way to make just them."""

import os
from pathlib import Path

import pytest

from strainprint import records
from strainprint.errors import BadInputError

TABLE = "results/audited/dataset/manifest.csv"
STORE = "results/audited/dataset/crops.zarr"
CHUNK = f"{STORE}/crops/c/0/0"
VERSIONS = {"numpy": "2.0"}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A table and a store of two files, recorded."""
    monkeypatch.chdir(tmp_path)
    for name in (TABLE, CHUNK, f"{STORE}/zarr.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"this is {name}")
    records.record([TABLE, STORE], rule="crop", versions=VERSIONS)
    return tmp_path


def alter(name):
    """Change one byte and leave size and time as they were."""
    path, status = Path(name), Path(name).stat()
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_what_is_as_it_was_made_is_counted(made):
    assert records.verify_results() == 2
    records.check_inputs([TABLE, STORE])


def test_a_file_altered_behind_its_time_is_named_to_the_job_that_reads_it(made):
    alter(TABLE)
    with pytest.raises(BadInputError) as caught:
        records.check_inputs([TABLE])
    assert str(caught.value) == (
        f"{TABLE}: is not what was made (its SHA-256 differs from its record)\n"
        f"  way out: rm -r {TABLE} && snakemake --cores all {TABLE}\n"
        "  or, to keep it as it is: rm results/records/audited/dataset/manifest.csv.json"
    )


@pytest.mark.parametrize("damage", [alter, os.remove], ids=["altered", "missing"])
def test_a_chunk_altered_or_gone_is_named_with_its_store(made, damage):
    damage(CHUNK)
    with pytest.raises(BadInputError, match="1 of 2 files and stores are damaged") as caught:
        records.verify_results()
    assert f"{CHUNK} is {'altered' if damage is alter else 'missing'}" in str(caught.value)
    assert f"rm -r {STORE} && snakemake --cores all {STORE}" in str(caught.value)
    assert TABLE not in str(caught.value)


def test_results_without_a_record_and_other_files_are_left_alone(made):
    Path("results/new.csv").write_text("new")
    Path("mine.csv").write_text("mine")
    records.check_inputs(["results/new.csv", "mine.csv"])
    records.record(["mine.csv"], rule="ingest", versions=VERSIONS)
    assert records.verify_results() == 2


def test_a_result_about_to_be_made_anew_has_no_record(made):
    records.forget([TABLE, "mine.csv"])
    alter(TABLE)
    records.check_inputs([TABLE])


def test_other_versions_are_counted_and_said(made):
    assert not records.other_versions({"numpy": "2.0"})
    records.record([TABLE], rule="manifest", versions={"numpy": "2.1"})
    assert records.versions_used({"numpy": "2.1"}) == {"numpy": {"2.0": 1, "2.1": 1}}
    said = records.other_versions({"numpy": "2.1"})
    assert "1 with numpy 2.0 (now 2.1)" in said
    assert "--forceall" in said


def test_a_damaged_record_is_named_with_what_it_is_of_and_mixes_no_versions(made):
    place = records.record_of(TABLE)
    place.write_text(place.read_text()[:40])
    said = f"{TABLE}: its record {place} is damaged"
    way_out = f"way out: rm -r {TABLE} && snakemake --cores all {TABLE}"
    with pytest.raises(BadInputError) as of_reader:
        records.check_inputs([TABLE])
    with pytest.raises(BadInputError) as of_verify:
        records.verify_results()
    for caught in (of_reader, of_verify):
        assert said in str(caught.value)
        assert way_out in str(caught.value)
    assert not records.other_versions(VERSIONS)
