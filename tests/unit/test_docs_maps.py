"""The pages on people's maps: their examples run, their table of keys is the code's."""

import re
from pathlib import Path

import numpy as np
import pytest
from dialects import DIALECTS, true_field

from strainprint.cli import main
from strainprint.maps.declaration import keys_table
from strainprint.maps.measured_map import read_measured_map
from strainprint.maps.readers.recognise import READERS

PAGES = Path(__file__).parents[2] / "docs" / "maps"
EXAMPLES = [
    (page.name, *example)
    for page in sorted(PAGES.glob("*.md"))
    for example in re.findall(
        r"<!-- example: (\w+) -->\n```yaml\n(.*?)```\n\n    strainprint (.*?)\n",
        page.read_text(),
        re.DOTALL,
    )
]


@pytest.mark.parametrize("page, dialect, yaml, command", EXAMPLES)
def test_every_example_runs(tmp_path, monkeypatch, page, dialect, yaml, command):
    monkeypatch.chdir(tmp_path)
    arguments = command.split()
    file, declaration, out = (Path(arguments[i]) for i in (1, 3, 5))
    if dialect == "image":
        np.save(file, np.arange(20.0).reshape(4, 5))
    else:
        path, _ = DIALECTS[dialect](true_field(), tmp_path)
        if path.with_suffix(".ctf").exists():
            path.with_suffix(".ctf").rename(file.with_suffix(".ctf"))
        path.rename(file)
    declaration.write_text(yaml)
    assert main(arguments) == 0
    assert read_measured_map(out).valid.any()


def test_every_dialect_and_every_reader_has_its_page():
    assert {dialect for _, dialect, _, _ in EXAMPLES} == {*DIALECTS, "image"}
    readers = {reader.NAME for reader in READERS} - {"strainprint"}
    assert {page.stem for page in PAGES.glob("*.md")} == {*readers, "README"}
    index = (PAGES / "README.md").read_text()
    assert all(f"({name}.md)" in index for name in readers)


def test_the_table_of_keys_is_the_codes():
    assert (PAGES / "README.md").read_text().endswith("## Every key\n\n" + keys_table())
