"""The record of a kind of fault: a call that was stopped goes on with what is left."""

import json
import random
from pathlib import Path

import pytest
from faults.outcome import Bench, Outcome
from faults.runs import Folder


def test_a_kind_that_was_stopped_goes_on_with_the_next_item_and_keeps_what_it_saw(tmp_path):
    folder = Folder(tmp_path / "run")
    bench = Bench(folder, {}, folder, 1.0, random.Random(), tmp_path)
    items = ("one", "two", "three")

    stopped = Outcome("damage")
    with pytest.raises(KeyboardInterrupt):
        for item in bench.still_to_do(stopped, items):
            stopped.count(item != "one", "not named")
            if item == "two":
                raise KeyboardInterrupt

    resumed = Outcome(**json.loads(Path(tmp_path, "damage.json").read_text()))
    assert (resumed.tried, resumed.lost, resumed.complete) == (1, ["not named"], False)
    assert list(bench.still_to_do(resumed, items)) == ["two", "three"]
