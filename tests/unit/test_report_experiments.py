"""The report's section of experiments, and the files behind it."""

import pandas as pd
import pytest

from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment, write_experiment
from strainprint.report.experiments import SHOWN, difference_in_words, experiment_sections

SHARED = {
    "maps": 36,
    "specimens": 6,
    "accuracy": 0.5,
    "ci_low": 0.4,
    "ci_high": 0.6,
    "ci_method": "bootstrap over specimens",
    "difference": -0.5,
    "difference_low": -0.6,
    "difference_high": -0.4,
    "mcnemar_p": 0.004,
    "chance": 1 / 3,
}
ROWS = {
    "calibration": {
        "study": "audited",
        "split": "specimen",
        "validation_maps": 6,
        "validation_specimens": 1,
        "maps": 12,
        "specimens": 2,
        "temperature": 2.5,
        "ece_before": 0.3,
        "ece_after": 0.1,
        "log_loss_before": 1.5,
        "log_loss_after": 0.9,
        "threshold": float("nan"),
        "coverage": 1.0,
        "classes_named": 3.0,
    },
    "instrument": {
        **{key: SHARED[key] for key in ("maps", "specimens", "accuracy", "ci_low", "ci_high")},
        "chance": 1 / 3,
        "instrument": "none",
        "gauge_nm": 4.0,
        "noise_px": 0.0,
        "width_nm": 62.5,
        "gauge_over_width": 0.064,
    },
    "leave_out": {
        **SHARED,
        "left_out": "width_nm",
        "value": 62.5,
        "shared_maps": 18,
        "accuracy_unseen": 0.5,
        "accuracy_seen": 1.0,
    },
}
BIN = {"study": "audited", "split": "specimen", "low": 0.6, "high": 0.7, "maps": 12}
RESULTS = {
    "calibration": {
        "reliability": [
            {**BIN, "when": when, "confidence": 0.65, "accuracy": 0.5}
            for when in ("before", "after")
        ]
    }
}
SETTINGS = {"calibration": {"level": 0.8}}
SAYS = {
    "calibration": ["too sure (temperature 2.50)", "every class stays possible", "<img"],
    "instrument": ["no instrument tried sees more", "<img"],
    "leave_out": ["62.5\u00a0nm", "ahead of the network that never saw it"],
}


def write(folder, experiment, **changes):
    write_experiment(
        folder / experiment / "table.csv",
        folder / experiment / "summary.json",
        **{
            "name": experiment,
            "table": pd.DataFrame([ROWS[experiment]]),
            "n": {"maps": 72},
            "settings": {"study": "<audited>", **SETTINGS.get(experiment, {})},
            "results": RESULTS.get(experiment),
            **changes,
        },
    )
    return folder / experiment / "summary.json"


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_every_experiment_has_a_table_and_says_in_words_what_it_found(tmp_path, name):
    (part,) = experiment_sections([write(tmp_path, name)], tmp_path)
    assert "<table" in part.content
    assert f'href="{name}/table.csv"' in part.content
    assert "&lt;audited&gt;" in part.content
    for words in SAYS[name]:
        assert words in part.content
    assert "nan" not in part.content.lower().replace("nanom", "")


def test_an_altered_table_or_an_unknown_experiment_is_refused(tmp_path):
    summary = write(tmp_path, "leave_out")
    with open(tmp_path / "leave_out/table.csv", "a") as handle:
        handle.write("1\n")
    with pytest.raises(BadInputError, match="altered"):
        experiment_sections([summary], tmp_path)
    with pytest.raises(BadInputError, match="nonsense"):
        experiment_sections([write(tmp_path, "leave_out", name="nonsense")], tmp_path)
    with pytest.raises(BadInputError, match="no result"):
        write(tmp_path, "leave_out", table=pd.DataFrame())


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    record = read_experiment(write(tmp_path, "leave_out", results={"found": None}))
    assert record.rows == [pytest.approx(ROWS["leave_out"])]
    assert (record.n, record.results) == ({"maps": 72}, {"found": None})


@pytest.mark.parametrize(
    ("difference", "low", "high", "words"),
    [
        (0.1, 0.05, 0.2, "one was 10.0\u00a0% of the maps ahead of two"),
        (-0.1, -0.2, 0.1, "two was 10.0\u00a0% of the maps ahead of one"),
        (-0.1, -0.2, 0.1, "no difference lies within"),
        (0.0, -0.1, 0.1, "equally many"),
        (0.1, float("nan"), float("nan"), "too few specimens"),
    ],
)
def test_a_difference_in_words(difference, low, high, words):
    row = {"difference": difference, "difference_low": low, "difference_high": high}
    assert words in difference_in_words(row, "one", "two")


def test_the_coarsest_gauge_that_still_sees_is_named(tmp_path):
    row = ROWS["instrument"]
    rows = [
        {**row, "instrument": name, "gauge_over_width": share, "ci_low": low}
        for name, share, low in (("none", 0.06, 0.4), ("fine", 0.3, 0.4), ("coarse", 0.5, 0.2))
    ]
    summary = write(tmp_path, "instrument", table=pd.DataFrame(rows))
    assert "naming the commonest class is 0.30 of the width" in (
        experiment_sections([summary], tmp_path)[0].content
    )
