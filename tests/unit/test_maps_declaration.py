import pytest

from strainprint.errors import BadInputError
from strainprint.maps.declaration import (
    KEYS,
    Declaration,
    beside,
    checked_declaration,
    missing_keys,
    read_declaration,
)


def write(folder, text):
    path = folder / "map.yaml"
    path.write_text(text)
    return path


def test_plain_lines_are_read_in_their_types(tmp_path):
    path = write(
        tmp_path,
        "loading_axis: y\npixel_size_nm: 59\nstrain_unit: 1\nframe: 3  # last\ntest_strain: 1e-3\n",
    )
    declared = read_declaration(path)
    assert declared.values == {
        "loading_axis": "y", "pixel_size_nm": 59.0, "strain_unit": "1", "frame": 3,
        "test_strain": 0.001,
    }  # fmt: skip
    assert beside(tmp_path / "map.csv") == declared


def test_without_a_file_beside_nothing_is_declared(tmp_path):
    declared = beside(tmp_path / "map.csv")
    assert declared.values == {}
    assert declared.path == tmp_path / "map.yaml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pixel_size: 3\n", "did you mean 'pixel_size_nm'"),
        ("pixel_size_nm: -1\n", "number, above 0"),
        ("pixel_size_nm: .inf\n", "number, above 0"),
        ("pixel_size_nm: five\n", "number, above 0"),
        ("loading_axis: z\n", "x or y"),
        ("loading_axis: true\n", "x or y"),
        ("recompute_window_points: 4\n", "odd"),
        ("frame: 1.5\n", "whole number"),
        (f"frame: {'9' * 400}\n", "frame is"),
        ("frame: [1, 2]\n", "no single word or number"),
        ("loading_axis: x\nloading_axis: y\n", "twice"),
        ("loading_axis: !!python/object/apply:os.system [ls]\n", "no single word"),
        ("loading_axis: !!python/name:os.system\n", "not readable as YAML"),
        ("loading_axis: &a y\nspecimen_id: *a\n", "anchor"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchor"),
        ("- x\n", "key: value"),
        ("a: b: c\n", "not readable as YAML"),
        ("[" * 100_000, "not readable|larger"),
        ("#" * 70_000, "larger than 64 KiB"),
        ("specimen_id: " + "x" * 300, "up to 200"),
    ],
)
def test_what_is_not_allowed_is_named(tmp_path, text, said):
    with pytest.raises(BadInputError, match=said) as caught:
        read_declaration(write(tmp_path, text))
    assert "map.yaml" in str(caught.value)


def test_a_missing_or_binary_declaration_is_an_error(tmp_path):
    with pytest.raises(BadInputError, match="missing"):
        read_declaration(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="UTF-8"):
        read_declaration(tmp_path / "binary.yaml")


def test_every_example_is_allowed():
    for name, key in KEYS.items():
        assert key.checked(key.example if key.kind is str else key.kind(key.example)) is not None, (
            name
        )


def test_the_lines_that_an_error_shows_are_a_declaration(tmp_path):
    error = missing_keys(
        KEYS, "map.csv", Declaration(path=tmp_path / "map.yaml"), {"shear": "hint"}
    )
    text = str(error)
    assert str(tmp_path / "map.yaml") in text
    shown = write(tmp_path, "\n".join(line for line in text.splitlines() if line[:4] == "    "))
    assert set(read_declaration(shown).values) == set(KEYS)


def test_the_content_may_be_empty():
    assert checked_declaration(None, "map.yaml").values == {}
