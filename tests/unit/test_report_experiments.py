"""The report's section of experiments, and the files behind it."""

import pandas as pd
import pytest

from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment, write_experiment
from strainprint.report.experiments import SHOWN, difference_in_words, experiment_sections
from strainprint.report.figures.experiments import draw_instruments

NAN = float("nan")
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
COMPARED = {**SHARED, "model": "every crop", "members": 1, "difference": 0.0, "mcnemar_p": 1.0}
OTHER = {**SHARED, "members": 3}
HELD = {"coverage": 0.9, "coverage_low": 0.6, "coverage_high": 1.0}
ROWS = {
    "ensembles": [COMPARED, {**OTHER, "model": "a + b"}],
    "crop_filter": [COMPARED, {**OTHER, "model": "informative crops"}],
    "channels": [COMPARED, {**OTHER, "model": "exx + eyy"}],
    "stacks": [
        {**one, "temperature": 1.4, **HELD, "classes_named": 1.6}
        for one in (COMPARED, {**OTHER, "model": "the stack of 3 layers", "members": 1})
    ],
    "hybrid": [COMPARED, {**OTHER, "model": "res4 with correlations"}],
    "regression": [
        {
            "prior_strain": name,
            "trained_on": seen,
            "maps": 24,
            "specimens": 4,
            "rmse_decades": 0.3,
            "rmse_low": 0.2,
            "rmse_high": 0.4,
            "bias_decades": -0.1,
            "rmse_of_constant": 0.6,
            "coverage": 0.7,
            "coverage_low": 0.55,
            "coverage_high": 0.79,
            "half_width_decades": 0.5,
        }
        for name, seen in (("0.003", 0), ("all seen", 1), ("all unseen", 0))
    ],
    "noise": [
        {
            **SHARED,
            "trained": trained,
            "noise": noise,
            "sigma": sigma,
            "sigma_pitches": sigma / 2 if noise == "displacement" else float("nan"),
            "ci_low": low,
        }
        for trained in ("without noise", "with noise")
        for noise, sigma, low in (
            ("none", 0.0, 0.4),
            ("grey levels", 2.0, 0.4),
            ("displacement", 0.1, 0.2),
        )
    ],
    "seeds": [
        {
            **SHARED,
            "model": model,
            "sd_between_draws": 0.05,
            "sd_between_seeds": 0.02,
            "p": 0.01,
        }
        for model in ("proposed", "ensemble of seeds")
    ],
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
        **HELD,
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
PANEL = {"panel": "layer 1 alone", "low": 0.6, "high": 0.7, "maps": 12}
RESULTS = {
    "stacks": {
        "commonest_class": 0.45,
        "reliability": [
            {**PANEL, "when": when, "confidence": 0.65, "accuracy": 0.5}
            for when in ("before", "after")
        ],
    },
    "regression": {"level": 0.8, "factor": 1.3},
    "noise": {"chance": 1 / 3, "pitch_nm": 2.0},
    "seeds": {
        "lead": "proposed",
        "test_over_train": 0.4,
        "networks_against_seeds": {"mean": 0.01, "low": -0.1, "high": 0.12, "p": 0.8},
    },
    "calibration": {
        "reliability": [
            {**BIN, "when": when, "confidence": 0.65, "accuracy": 0.5}
            for when in ("before", "after")
        ]
    },
}
ROWS["twins"] = [
    {
        "width_nm": width,
        "pairs": 18,
        "pair_specimens": 6,
        **{f"r2_{at}": ceiling for at in ("0.002", "0.005", "0.01")},
        **{f"r2_{at}_low": ceiling - 0.1 for at in ("0.002", "0.005", "0.01")},
        **{f"r2_{at}_high": ceiling + 0.1 for at in ("0.002", "0.005", "0.01")},
        **{f"predicted_r2_{at}": -0.25 for at in ("0.002", "0.005", "0.01")},
        "maps": 6,
        "specimens": 1,
        "same_class": 0.5,
        "ci_low": 0.1,
        "ci_high": 0.9,
        "ci_method": "Wilson over maps",
    }
    for width, ceiling in (("all", 0.5), ("62.5", float("nan")))
]
RESULTS["twins"] = {
    "strain": [0.0, 0.005, 0.01],
    "r2_by_width_nm": {"all": [None, 0.4, 0.5], "62.5": [None, None, None]},
}
SETTINGS = {"calibration": {"level": 0.8}}
AHEAD = "With every crop 50.0\u00a0% more of the maps were named rightly than with "
SAYS = {
    "twins": ["r² between twins is 0.50", "reach −0.25", "do not differ enough", "<img"],
    "channels": [AHEAD + "exx + eyy"],
    "stacks": [
        AHEAD + "the stack of 3 layers",
        "With the stack of 3 layers the network named 50.0\u00a0% of the stacks rightly, where the "
        "commonest class makes 45.0\u00a0%: not to be told from always naming it.",
    ],
    "hybrid": ["named rightly than with res4 with correlations"],
    "regression": [
        "missed by a factor of 2.0",
        "better than always naming",
        "0.3\u00a0%",
        "never",
        "held 70.0\u00a0% (55.0–79.0\u00a0%), at ±0.50 decades: fewer than promised.",
    ],
    "ensembles": [
        AHEAD + "a + b",
        "average of 3",
    ],
    "crop_filter": [AHEAD + "informative crops"],
    "noise": ["commonest class at 0.1 nm", "50.0\u00a0% at worst under noise in grey levels"],
    "seeds": [
        "Told apart from proposed by the corrected test: ensemble of seeds",
        "do not differ",
        "It rests on 5 draws, 1 seed, 45 training maps.",
    ],
    "calibration": ["too sure (temperature 2.50)", "every class stays possible", "<img"],
    "instrument": ["no instrument tried sees more", "<img"],
    "leave_out": ["62.5\u00a0nm", "named rightly than with the network that never saw it"],
}


N = {"seeds": {"draws": 5, "seeds": 1, "training_maps": 45}}


def rows_of(experiment):
    rows = ROWS[experiment]
    return rows if isinstance(rows, list) else [rows]


def write(folder, experiment, **changes):
    write_experiment(
        folder / experiment / "table.csv",
        folder / experiment / "summary.json",
        **{
            "name": experiment,
            "table": pd.DataFrame(rows_of(experiment)),
            "n": N.get(experiment, {"maps": 72}),
            "settings": {"study": "<audited>", **SETTINGS.get(experiment, {})},
            "results": RESULTS.get(experiment),
            **changes,
        },
    )
    return folder / experiment / "summary.json"


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_every_experiment_has_a_table_and_says_in_words_what_it_found(tmp_path, name):
    (part,) = experiment_sections([write(tmp_path, name)], tmp_path, "c0ffee00")
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
        experiment_sections([summary], tmp_path, "c0ffee00")
    with pytest.raises(BadInputError, match="nonsense"):
        experiment_sections([write(tmp_path, "leave_out", name="nonsense")], tmp_path, "c0ffee00")
    with pytest.raises(BadInputError, match="no result"):
        write(tmp_path, "leave_out", table=pd.DataFrame())


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    record = read_experiment(write(tmp_path, "leave_out", results={"found": None}))
    assert record.rows == [pytest.approx(ROWS["leave_out"])]
    assert (record.n, record.results) == ({"maps": 72}, {"found": None})


@pytest.mark.parametrize(
    ("difference", "low", "high", "words"),
    [
        (0.1, 0.05, 0.2, "with one 10.0\u00a0% more of the maps were named rightly than with two"),
        (-0.1, -0.2, 0.1, "with two 10.0\u00a0% more of the maps were named rightly than with one"),
        (-0.1, -0.2, 0.1, "(\u221210.0 to +20.0 points): the interval includes zero"),
        (0.1, 0.05, 0.2, "(+5.0 to +20.0 points): the interval leaves zero out"),
        (0.0, -0.1, 0.1, "equally many"),
        (0.1, NAN, NAN, "too few specimens"),
        (NAN, NAN, NAN, "no map was judged by both one and two"),
    ],
)
def test_a_difference_in_words(difference, low, high, words):
    row = {"difference": difference, "difference_low": low, "difference_high": high}
    assert words in difference_in_words({**row, "mcnemar_p": 0.01}, "one", "two")


def test_an_interval_and_a_test_that_disagree_are_both_named():
    row = {"difference": 0.08, "difference_low": 0.04, "difference_high": 0.12, "mcnemar_p": 0.46}
    assert "not told apart (McNemar’s p = 0.46)" in difference_in_words(row, "one", "two")


def test_the_coarsest_gauge_and_the_largest_noise_that_still_see_are_named(tmp_path):
    row = ROWS["instrument"]
    rows = [
        {**row, "instrument": name, "gauge_over_width": share, "noise_px": noise, "ci_low": low}
        for name, share, noise, low in (
            ("none", 0.06, 0.0, 0.4),
            ("fine", 0.3, 0.0, 0.4),
            ("noisy", 0.2, 0.05, 0.4),
            ("noisier", 0.2, 0.1, 0.2),
            ("coarse", 0.5, 0.0, 0.2),
        )
    ]
    summary = write(tmp_path, "instrument", table=pd.DataFrame(rows))
    content = experiment_sections([summary], tmp_path, "c0ffee00")[0].content
    assert "naming the commonest class is 0.30 of the width (50.0\u00a0%; 50.0\u00a0%" in content
    assert "the largest noise 0.05 px (50.0\u00a0% with a gauge of 0.20 of the width)" in content


def test_accuracy_is_drawn_against_noise_where_an_instrument_had_some(tmp_path):
    row = {**ROWS["instrument"], "ci_low": 0.4}
    rows = [
        {**row, "instrument": name, "gauge_nm": gauge, "noise_px": noise, "width_nm": width}
        for name, gauge, noise in (("none", 4, 0.0), ("a", 18, 0.0), ("b", 18, 0.05), ("c", 34, 0))
        for width in (62.5, 125.0)
    ]
    summary = write(tmp_path, "instrument", table=pd.DataFrame(rows))
    above, below = draw_instruments(read_experiment(summary)).figure.axes
    assert below.get_xlabel() == "noise of each displacement (px), gauge 18 nm"
    assert [len(bars.lines[0].get_xdata()) for bars in above.containers] == [3, 3]
    first, second = (bars.lines[0].get_xdata() for bars in below.containers)
    assert list(first) == [0, 0.05]
    assert 0 < second[0] < 0.002  # beside the first, not behind it
    assert second[1] - second[0] == pytest.approx(0.05)


EMPTY = {
    # A width without test maps, or all of whose test specimens were lost.
    "leave_out": {"shared_maps": 0, "accuracy_unseen": NAN, "accuracy_seen": NAN, "mcnemar_p": NAN}
    | dict.fromkeys(["difference", "difference_low", "difference_high"], NAN),
    "regression": {"rmse_low": NAN, "rmse_high": NAN, "half_width_decades": float("inf")},
    "seeds": {"sd_between_seeds": NAN},
    "twins": {"maps": 0, "specimens": 0, "same_class": NAN, "ci_low": NAN, "ci_high": NAN},
    "instrument": {"maps": 0, "specimens": 0, "accuracy": NAN, "ci_low": NAN, "ci_high": NAN},
}


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_what_was_not_judged_says_so_and_the_page_is_made(tmp_path, name):
    rows = pd.DataFrame([{**row, **EMPTY[name]} for row in rows_of(name)])
    (part,) = experiment_sections([write(tmp_path, name, table=rows)], tmp_path, "c0ffee00")
    assert "–" in part.content
    assert "nan" not in part.content.lower().replace("nanom", "")


@pytest.mark.parametrize(
    ("chance", "verdict"), [(0.3, "more than"), (0.5, "not to be told from"), (0.9, "less than")]
)
def test_stacks_are_held_against_their_commonest_class(tmp_path, chance, verdict):
    summary = write(tmp_path, "stacks", results={"commonest_class": chance, "reliability": []})
    content = experiment_sections([summary], tmp_path, "c0ffee00")[0].content
    assert f"{verdict} by always naming it" in content or f"{verdict} always naming it" in content


def test_strains_of_which_no_map_tests_are_named(tmp_path):
    rows = [row for row in ROWS["regression"] if row["prior_strain"] != "all unseen"]
    summary = write(tmp_path, "regression", table=pd.DataFrame(rows))
    assert "No test map has one of the strains that it never saw" in (
        experiment_sections([summary], tmp_path, "c0ffee00")[0].content
    )


def test_noise_that_more_noise_makes_up_for_is_not_called_the_limit(tmp_path):
    def rows(*lows):
        return pd.DataFrame(
            [
                {**ROWS["noise"][0], "noise": kind, "sigma": sigma, "ci_low": low}
                for (kind, sigma), low in zip(
                    (("none", 0.0), *(("grey levels", s) for s in (1.0, 2.0, 4.0, 8.0))),
                    lows,
                    strict=True,
                )
            ]
        )

    def said(*lows):
        summary = write(tmp_path, "noise", table=rows(*lows))
        return experiment_sections([summary], tmp_path, "c0ffee00")[0].content

    assert "commonest class at 4 grey levels and more" in said(0.4, 0.3, 0.4, 0.3, 0.3)
    assert "commonest class at 8 grey levels." in said(0.4, 0.4, 0.3, 0.4, 0.3)
    assert "at worst under noise in grey levels" in said(0.4, 0.3, 0.4, 0.4, 0.4)
    assert "noise has nothing to take" in said(0.3, 0.3, 0.4, 0.4, 0.4)


def test_an_instrument_that_sees_more_than_there_is_ranks_nothing(tmp_path):
    row = ROWS["instrument"]
    rows = [
        {**row, "ci_low": 0.3},
        {**row, "instrument": "gauge_18nm", "accuracy": 0.5, "ci_low": 0.4, "noise_px": 0.0},
    ]
    summary = write(tmp_path, "instrument", table=pd.DataFrame(rows))
    content = experiment_sections([summary], tmp_path, "c0ffee00")[0].content
    assert "too few to rank instruments" in content
    assert "othing to lose" not in content
