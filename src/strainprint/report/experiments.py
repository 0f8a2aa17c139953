"""The report's section of experiments: one entry for each, with its table and what it says.

Adding one is an entry of :data:`SHOWN` here, its rules, its name in the schema, and its files by
:func:`strainprint.experiment_record.write_experiment`.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from strainprint.errors import BadInputError
from strainprint.experiment_record import ExperimentRecord, read_experiment
from strainprint.report.figures.experiments import (
    draw_instruments,
    draw_noise,
    draw_regression,
    draw_reliability,
    draw_twins,
)
from strainprint.report.figures.style import Plate, house_style
from strainprint.report.markup import (
    Text,
    bullets,
    cell,
    escaped,
    figure,
    joined,
    link,
    paragraph,
    prose,
    table,
)
from strainprint.report.sections.section import Section
from strainprint.report.wording import (
    capital,
    class_label,
    counted,
    number,
    p_value,
    percent,
    percent_range,
    points,
    points_range,
    sample_size,
    slip_label,
    width_label,
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """How the page shows one experiment.

    Attributes
    ----------
    title
        Heading.
    caption
        What was asked and done, a sentence or two; `` `code` `` and ``**strong**`` are set.
    columns
        Head of each column, and its cell written from a row of the experiment's table.
    reading
        What the numbers say, one sentence or two each, from the experiment's record.
    figure
        Draws the record, where a picture says more than the table; None where there is nothing
        to draw.
    """

    title: str
    caption: str
    columns: Mapping[str, Callable[[Row], Text]]
    reading: Callable[[ExperimentRecord], list[str]]
    figure: Callable[[ExperimentRecord], Plate | None] | None = None


def experiment_sections(
    summaries: Sequence[str | Path], folder: str | Path, config_digest: str
) -> list[Section]:
    """Return the pieces of the page for experiments, in the order given.

    Parameters
    ----------
    summaries
        The summaries of the experiments.
    folder
        The page's folder; links are relative to it.
    config_digest
        What tells the config from another, for captions.

    Raises
    ------
    BadInputError
        A file is missing or altered, or an experiment is unknown.
    """
    parts = []
    for path in summaries:
        record = read_experiment(path)
        if record.name not in SHOWN:
            raise BadInputError(
                f"experiment {record.name!r}", where=path, allowed=", ".join(sorted(SHOWN))
            )
        shown = SHOWN[record.name]
        csv = os.path.relpath(record.table_csv, folder)
        content = (
            paragraph(prose(shown.caption))
            + table(
                [capital(head) for head in shown.columns],
                [[write(row) for write in shown.columns.values()] for row in record.rows],
                caption=joined(f"{shown.title} (", link(csv, "CSV"), ")"),
                label=shown.title,
            )
            + _drawn(shown, record, config_digest)
            + bullets([prose(text) for text in shown.reading(record)])
            + paragraph(prose(_rests_on(record)), kind="note")
        )
        anchor = escaped(f"experiment-{record.name.replace('_', '-')}")
        parts.append(Section(anchor, shown.title, content))
    return parts


def _drawn(shown: Shown, record: ExperimentRecord, config_digest: str) -> str:
    if shown.figure is None:
        return ""
    drawn = io.BytesIO()
    with house_style():
        plate = shown.figure(record)
        if plate is None:
            return ""
        plate.figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return figure(
        drawn.getvalue(),
        "image/svg+xml",
        title=plate.title,
        caption=plate.full_caption(config_digest),
        alternative=plate.alternative,
    )


def _rests_on(record: ExperimentRecord) -> str:
    chosen = ", ".join(
        f"{key.replace('_', ' ')} {_plain(value)}" for key, value in record.settings.items()
    )
    return f"It rests on {sample_size(record.n)}. Settings: {chosen}."


def _plain(value: Any) -> str:
    return ", ".join(map(_plain, value)) if isinstance(value, list) else f"`{value}`"


# ---- cells and words -----------------------------------------------------------------------------


def accuracy_cell(row: Row) -> Text:
    """Return an accuracy with its interval below it."""
    return cell(percent(row["accuracy"]), percent_range(row["ci_low"], row["ci_high"]))


def maps_cell(row: Row) -> Text:
    """Return the number of maps with that of specimens below it."""
    return cell(str(int(row["maps"])), counted(int(row["specimens"]), "specimen"))


def coverage_cell(row: Row) -> Text:
    """Return the share of maps whose truth was held, with its interval below it."""
    return cell(percent(row["coverage"]), percent_range(row["coverage_low"], row["coverage_high"]))


def difference_cell(row: Row) -> Text:
    """Return a difference of accuracies in points with its interval below it."""
    if row["difference_low"] == row["difference_high"] == 0:
        return "0.0"  # a model beside itself, or one that differs on no map
    return cell(
        points(row["difference"]), points_range(row["difference_low"], row["difference_high"])
    )


def _p_cell(value: float) -> Text:
    return p_value(value).removeprefix("= ")


def is_apart(row: Row) -> bool:
    """Tell whether the interval of a row's difference leaves out 0; False where there is none."""
    low, high = row["difference_low"], row["difference_high"]
    return not (math.isnan(low) or math.isnan(high)) and (low > 0 or high < 0)


def difference_in_words(row: Row, one: str, other: str) -> str:
    """Say which of two models named more maps rightly, and whether that is more than chance."""
    low, high = row["difference_low"], row["difference_high"]
    size = abs(row["difference"])
    if math.isnan(size):
        return f"no map was judged by both {one} and {other}."
    if size == 0:
        return f"with {one} and with {other} equally many maps were named rightly."
    more, less = (one, other) if row["difference"] > 0 else (other, one)
    if row["difference"] < 0:
        low, high = -high, -low
    lead = f"with {more} {percent(size)} more of the maps were named rightly than with {less}"
    if math.isnan(low) or math.isnan(high):
        return f"{lead}; too few specimens for an interval."
    if not is_apart(row):
        verdict = "the interval includes zero, so it may be chance"
    elif row["mcnemar_p"] < 0.05:
        verdict = "the interval leaves zero out"
    else:
        verdict = (
            "the interval over specimens leaves zero out, but map by map the two are not told "
            f"apart (McNemar’s p {p_value(row['mcnemar_p'])})"
        )
    return f"{lead} ({points_range(low, high)} points): {verdict}."


def _group_label(row: Row) -> str:
    if row["left_out"] == "width_nm":
        return width_label(row["value"])
    return slip_label(int(row["value"]))


# ---- the experiments -----------------------------------------------------------------------------


def _leave_out_reading(record: ExperimentRecord) -> list[str]:
    said = []
    for row in record.rows:
        label = _group_label(row)
        if row["ci_low"] > row["chance"]:
            verdict = "what it learned elsewhere holds there in part"
        elif row["ci_high"] < row["chance"]:
            verdict = "worse than naming the commonest class"
        else:
            verdict = "not to be told from naming the commonest class"
        said.append(
            f"**{label}.** Trained without it, the network named {percent(row['accuracy'])} of its "
            f"maps rightly, where the commonest class makes {percent(row['chance'])}: {verdict}. "
            + capital(
                difference_in_words(
                    row, "the network that never saw it", "the one trained on everything"
                )
            )
        )
    return said


def _held(row: Row) -> str:
    within = percent_range(row["coverage_low"], row["coverage_high"])
    return f"{percent(row['coverage'])} ({within})"


def _promise(row: Row, level: float) -> str:
    if row["coverage_high"] < level:
        return ": fewer than promised"
    return ": more than they had to" if row["coverage_low"] > level else ""


def _calibration_reading(record: ExperimentRecord) -> list[str]:
    level = record.settings["level"]
    said = []
    for row in record.rows:
        sure = "too sure" if row["temperature"] > 1 else "not sure enough"
        text = (
            f"**Study {row['study']}, split {row['split']}.** On its validation maps the ensemble "
            f"was {sure} (temperature {number(row['temperature'])}). With that temperature its "
            f"probabilities of test maps miss by {percent(row['ece_after'])} instead of "
            f"{percent(row['ece_before'])} (ECE)."
        )
        if math.isnan(row["threshold"]):
            text += (
                f" With {counted(int(row['validation_specimens']), 'validation specimen')}, too "
                f"few to promise {percent(level, 0)}, every class stays possible."
            )
        else:
            text += (
                f" Sets that are to hold the true class of {percent(level, 0)} of the maps of new "
                f"specimens held it for {_held(row)} of the test maps, and named "
                f"{number(row['classes_named'], 1)} classes each{_promise(row, level)}."
            )
        said.append(text)
    return said


def _noise_of(row: Row) -> str:
    return f" at a noise of {row['noise_px']:g} px" if row["noise_px"] > 0 else ""


def _instrument_reading(record: ExperimentRecord) -> list[str]:
    said = []
    for width_nm in dict.fromkeys(row["width_nm"] for row in record.rows):
        rows = [row for row in record.rows if row["width_nm"] == width_nm]
        known = next(row for row in rows if row["instrument"] == "none")
        seen = [row for row in rows if row is not known and row["ci_low"] > row["chance"]]
        label = width_label(width_nm)
        if known["ci_low"] <= known["chance"] and seen:
            verdict = (
                "the simulator’s own strain is not told from chance, though what "
                f"{seen[0]['instrument']} sees is ({percent(seen[0]['accuracy'])}): networks and "
                "maps are too few to rank instruments."
            )
        elif known["ci_low"] <= known["chance"]:
            verdict = "nothing to lose: even the simulator’s own strain is not told from chance."
        elif seen:
            coarsest = max(seen, key=lambda row: row["gauge_over_width"])
            verdict = (
                "the coarsest gauge that still beats naming the commonest class is "
                f"{coarsest['gauge_over_width']:.2f} of the width "
                f"({percent(coarsest['accuracy'])}{_noise_of(coarsest)}; "
                f"{percent(known['accuracy'])} without an instrument)"
            )
            loudest = max(seen, key=lambda row: row["noise_px"])
            if loudest["noise_px"] > coarsest["noise_px"]:
                verdict += (
                    f", the largest noise {loudest['noise_px']:g} px ("
                    f"{percent(loudest['accuracy'])} with a gauge of "
                    f"{loudest['gauge_over_width']:.2f} of the width)"
                )
            verdict += "."
        else:
            verdict = (
                f"{percent(known['accuracy'])} without an instrument, and no instrument tried sees "
                "more than the commonest class."
            )
        said.append(f"**{label}.** {capital(verdict)}")
    return said


def _noise_reading(record: ExperimentRecord) -> list[str]:
    chance = record.results["chance"]
    said = []
    for trained in dict.fromkeys(row["trained"] for row in record.rows):
        rows = [row for row in record.rows if row["trained"] == trained]
        clean = next(row for row in rows if row["noise"] == "none")
        parts = [f"**Trained {trained}:** {percent(clean['accuracy'])} of clean maps rightly named"]
        if clean["ci_low"] <= chance:
            parts.append(
                "not to be told from the commonest class, so that noise has nothing to take"
            )
            said.append("; ".join(parts) + ".")
            continue
        for kind, unit in (("grey levels", "grey levels"), ("displacement", "nm")):
            noisy = sorted(
                (row for row in rows if row["noise"] == kind), key=lambda row: row["sigma"]
            )
            # From some noise on: a dip at less, made up for by more, is chance.
            lost = list(takewhile(lambda row: row["ci_low"] <= chance, reversed(noisy)))
            if lost:
                parts.append(
                    f"no more to be told from the commonest class at {lost[-1]['sigma']:g} {unit}"
                    + (" and more" if len(lost) > 1 else "")
                )
            elif noisy:
                worst = min(noisy, key=lambda row: row["accuracy"])
                parts.append(
                    f"{percent(worst['accuracy'])} at worst under noise in {kind} "
                    f"({worst['sigma']:g} {unit})"
                )
        said.append("; ".join(parts) + ".")
    return said


def _sigma_label(row: Row) -> Text:
    if row["noise"] == "none":
        return "none"
    if row["noise"] == "grey levels":
        return f"{row['sigma']:g} grey levels"
    return cell(f"{row['sigma']:g} nm", f"{row['sigma_pitches']:.2g} pitches")


def _comparison_reading(record: ExperimentRecord) -> list[str]:
    reference, *others = record.rows
    return [
        capital(difference_in_words(row, row["model"], reference["model"]))
        + (
            " The two agree on every map."
            if row["mcnemar_p"] == 1 and not row["difference"]
            else ""
        )
        for row in others
    ]


def _stacks_reading(record: ExperimentRecord) -> list[str]:
    stack = record.rows[-1]
    chance = record.results["commonest_class"]
    if stack["ci_low"] > chance:
        verdict = "more than by always naming it"
    elif stack["ci_high"] < chance:
        verdict = "less than by always naming it"
    else:
        verdict = "not to be told from always naming it"
    said = (
        f"With {stack['model']} the network named {percent(stack['accuracy'])} of the stacks "
        f"rightly, where the commonest class makes {percent(chance)}: {verdict}."
    )
    return [said, *_comparison_reading(record)]


def _compared(what: str) -> dict[str, Callable[[Row], Text]]:
    """Return the columns of models compared on one test set."""
    return {
        what: lambda row: cell(
            row["model"], f"average of {int(row['members'])}" if row["members"] > 1 else ""
        ),
        "maps": maps_cell,
        "accuracy": accuracy_cell,
        "difference to the first (points)": difference_cell,
        "McNemar p": lambda row: _p_cell(row["mcnemar_p"]),
    }


def _draws_reading(record: ExperimentRecord) -> list[str]:
    lead = record.results["lead"]
    rows = {row["model"]: row for row in record.rows}
    first = rows[lead]
    of_seeds = (
        ""
        if math.isnan(first["sd_between_seeds"])
        else f", over seeds on one split by {percent(first['sd_between_seeds'])}"
    )
    said = [
        f"Over {record.n['draws']} splits the accuracy of {lead} moves with a standard deviation "
        f"of {percent(first['sd_between_draws'])}{of_seeds}: a smaller difference, seen on one "
        "split, says little."
    ]
    apart = [name for name, row in rows.items() if name != lead and is_apart(row)]
    said.append(
        f"Told apart from {lead} by the corrected test: {', '.join(apart)}."
        if apart
        else f"No model is told apart from {lead} by the corrected test."
    )
    ensembles = record.results["networks_against_seeds"]
    if ensembles is not None and ensembles["low"] is None:
        said.append(
            "The ensemble of networks and the ensemble of seeds of one are "
            f"{points(ensembles['mean'])} points apart on every split: "
            "how splits scatter is not to be seen from so few maps."
        )
    elif ensembles is not None:
        verdict = "differ" if not ensembles["low"] <= 0 <= ensembles["high"] else "do not differ"
        said.append(
            f"The ensemble of networks and the ensemble of seeds of one {verdict}: "
            f"{points(ensembles['mean'])} points, "
            f"{points_range(ensembles['low'], ensembles['high'])} (p {p_value(ensembles['p'])})."
        )
    return said


def _strain_label(row: Row) -> str:
    name = str(row["prior_strain"])
    return name if name.startswith("all") else class_label(name)


def _regression_reading(record: ExperimentRecord) -> list[str]:
    rows = {str(row["prior_strain"]): row for row in record.rows}
    said = []
    for name, words in (
        ("all seen", "strains that it was trained on"),
        ("all unseen", "strains that it never saw"),
    ):
        if name not in rows:
            said.append(f"No test map has one of the {words}.")
            continue
        row = rows[name]
        if row["rmse_high"] < row["rmse_of_constant"]:
            verdict = "better than"
        elif row["rmse_low"] > row["rmse_of_constant"]:
            verdict = "worse than"
        else:
            verdict = "not to be told from"
        low, high = number(row["rmse_low"]), number(row["rmse_high"])
        between = "" if math.isnan(row["rmse_low"]) else f", {low} to {high}"
        text = (
            f"At {words} the prior strain of new specimens was missed by a factor of "
            f"{number(10 ** row['rmse_decades'], 1)} ({number(row['rmse_decades'])} decades"
            f"{between}), {verdict} always naming "
            f"the middle of the training strains ({number(row['rmse_of_constant'])})."
        )
        if not math.isinf(row["half_width_decades"]):
            text += (
                f" Intervals that are to hold {percent(record.results['level'], 0)} held "
                f"{_held(row)}, at ±{number(row['half_width_decades'])} decades"
                f"{_promise(row, record.results['level'])}."
            )
        said.append(text)
    if record.results["factor"] is None:
        count = counted(record.n["validation_specimens"], "validation specimen")
        said.append(f"With {count} no interval can promise {percent(record.results['level'], 0)}.")
    return said


def _any_width(width: object) -> str:
    return "all" if width == "all" else width_label(float(str(width)))


def _likeness_cell(row: Row, strain: str) -> Text:
    name = f"r2_{strain}"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return cell(number(row[name]), "–" if math.isnan(low) else f"{number(low)} to {number(high)}")


def _twins_reading(record: ExperimentRecord) -> list[str]:
    said = []
    for row in record.rows:
        width = row["width_nm"]
        label = "All widths together" if width == "all" else _any_width(width)
        ceiling, reached = row["r2_0.01"], row["predicted_r2_0.01"]
        if math.isnan(ceiling):
            said.append(
                f"**{label}.** The curves do not differ enough for a ceiling at 1 % of reload "
                "strain, or end before it."
            )
            continue
        text = (
            f"**{label}.** At 1 % of reload strain r² between twins is {number(ceiling)}, the most "
            "that a method can reach which does not resolve the shift"
        )
        if not math.isnan(reached):
            text += f"; cross-validated neighbours reach {number(reached)}"
        if not math.isnan(row["same_class"]):
            text += f". {percent(row['same_class'], 0)} of the maps of twins are read alike"
        said.append(text + ".")
    return said


SHOWN: dict[str, Shown] = {
    "calibration": Shown(
        title="Can the probabilities be believed?",
        caption=(
            "The temperature and the threshold of the conformal sets are fitted on the validation "
            "maps of each ensemble and judged on its test maps. The threshold weighs specimens, "
            "not maps. ECE is the mean gap between confidence and accuracy; with few maps it is "
            "above zero even for honest probabilities."
        ),
        columns={
            "study, split": lambda row: cell(row["study"], f"split by {row['split']}"),
            "test maps": maps_cell,
            "temperature": lambda row: number(row["temperature"]),
            "ECE": lambda row: cell(
                percent(row["ece_after"]), f"{percent(row['ece_before'])} before"
            ),
            "log loss": lambda row: cell(
                number(row["log_loss_after"]), f"{number(row['log_loss_before'])} before"
            ),
            "sets hold the truth": coverage_cell,
            "classes named": lambda row: number(row["classes_named"]),
        },
        reading=_calibration_reading,
        figure=draw_reliability,
    ),
    "leave_out": Shown(
        title="Widths and slip systems never seen",
        caption=(
            "The lead network is trained without one width, or without one number of slip "
            "systems, and tested on all maps of that group. On the test maps that it shares with "
            "the network trained on everything, the two are compared map by map. What is left out "
            "is missing from training twice: as a kind of specimen and as a number of maps."
        ),
        columns={
            "left out": _group_label,
            "maps": maps_cell,
            "accuracy": accuracy_cell,
            "commonest class": lambda row: percent(row["chance"]),
            "shared maps": lambda row: str(int(row["shared_maps"])),
            "unseen": lambda row: percent(row["accuracy_unseen"]),
            "seen": lambda row: percent(row["accuracy_seen"]),
            "difference (points)": difference_cell,
            "McNemar p": lambda row: _p_cell(row["mcnemar_p"]),
        },
        reading=_leave_out_reading,
    ),
    "instrument": Shown(
        title="What a correlation would still see",
        caption=(
            "The strict study is measured again as digital image correlations would see it, with "
            "their subsets, steps, windows and noise; the lead network is trained and tested on "
            "what each sees, on the same specimens. `none` is the strain that the simulator knows "
            "at every point."
        ),
        columns={
            "instrument": lambda row: escaped(row["instrument"]),
            "width": lambda row: width_label(row["width_nm"]),
            "gauge": lambda row: f"{row['gauge_nm']:.3g}\u00a0nm",
            "gauge / width": lambda row: f"{row['gauge_over_width']:.2f}",
            "noise (px)": lambda row: f"{row['noise_px']:g}",
            "maps": maps_cell,
            "accuracy": accuracy_cell,
            "commonest class": lambda row: percent(row["chance"]),
        },
        reading=_instrument_reading,
        figure=draw_instruments,
    ),
    "noise": Shown(
        title="Noise",
        caption=(
            "Test maps with Gaussian noise: on every pixel of the crops (in grey levels of 255), "
            "or on the displacements at every point of the map before strain is computed. The lead "
            "network was trained once without and once with noise on the grey levels."
        ),
        columns={
            "noise": _sigma_label,
            "trained": lambda row: str(row["trained"]),
            "maps": maps_cell,
            "accuracy": accuracy_cell,
        },
        reading=_noise_reading,
        figure=draw_noise,
    ),
    "seeds": Shown(
        title="Other splits, other seeds",
        caption=(
            "Every network is trained on several splits by specimen, each drawn anew, from several "
            "seeds. A split’s accuracy is the mean of its seeds; intervals and tests are over "
            "splits, widened for what the splits share (Nadeau and Bengio 2003). Each p stands "
            "for itself, not corrected for the number of models."
        ),
        columns={
            "model": lambda row: str(row["model"]),
            "accuracy": accuracy_cell,
            "between splits": lambda row: percent(row["sd_between_draws"]),
            "between seeds": lambda row: percent(row["sd_between_seeds"]),
            "difference to the lead (points)": difference_cell,
            "p": lambda row: _p_cell(row["p"]),
        },
        reading=_draws_reading,
    ),
    "ensembles": Shown(
        title="An ensemble of networks, or of seeds",
        caption=(
            "The paper averages three different networks. Here that ensemble is compared with the "
            "average of as many seeds of one network, on the same test maps."
        ),
        columns=_compared("model"),
        reading=_comparison_reading,
    ),
    "crop_filter": Shown(
        title="Only crops that show something",
        caption=(
            "The paper names crops without dislocations as a limit. Here the lead network is "
            "trained and asked once with every crop, and once without those whose grey levels "
            "scatter less than a share of their map’s richest crop (`least_contrast`)."
        ),
        columns=_compared("crops"),
        reading=_comparison_reading,
    ),
    "channels": Shown(
        title="Several strains beside each other",
        caption=(
            "The paper’s network sees one grey picture. Here it sees several strains of the same "
            "map as channels, on the same split and from the same seed as the one it is compared "
            "with. It is trained in float32, without noise and on every crop; the one it is "
            "compared with as `training` says."
        ),
        columns=_compared("input"),
        reading=_comparison_reading,
    ),
    "stacks": Shown(
        title="Stacks of maps",
        caption=(
            "People’s own stacks, whose layers are the channels of one network: trained on those "
            "that are to train, judged on those of other specimens whose prior strain is known. A "
            "network that sees one layer alone, on the same specimens and from the same seed, is "
            "what it is compared with. Nothing here is simulated by this run. "
            "Temperature (never below 1: few stacks cannot show that probabilities may be sharper) "
            "and sets are fitted on validation stacks."
        ),
        columns={
            **_compared("input"),
            "temperature": lambda row: number(row["temperature"]),
            "sets hold the truth": coverage_cell,
            "classes named": lambda row: number(row["classes_named"]),
        },
        reading=_stacks_reading,
        figure=draw_reliability,
    ),
    "hybrid": Shown(
        title="Correlations beside the picture",
        caption=(
            "A second branch of Res4 takes the map’s two-point correlation, after the authors’ "
            "later DKACNN, and is compared with Res4 alone, on the same split and seed. It is "
            "trained in float32, without noise and on every crop; Res4 alone as `training` says."
        ),
        columns=_compared("network"),
        reading=_comparison_reading,
    ),
    "regression": Shown(
        title="Prior strain as a number",
        caption=(
            "The lead network names no class but the logarithm of the prior strain and its own "
            "uncertainty, on specimens of their own with many prior strains. Some strains are "
            "never trained on; test specimens are judged at all. One decade is a factor of ten; "
            "intervals are made conformal on the validation maps, specimens as clusters."
        ),
        columns={
            "prior strain": _strain_label,
            "trained on": lambda row: "yes" if row["trained_on"] else "never",
            "maps": maps_cell,
            "RMSE, decades": lambda row: cell(
                number(row["rmse_decades"]),
                "–"
                if math.isnan(row["rmse_low"])
                else f"{number(row['rmse_low'])} to {number(row['rmse_high'])}",
            ),
            "bias, decades": lambda row: number(row["bias_decades"]),
            "RMSE of a constant": lambda row: number(row["rmse_of_constant"]),
            "intervals hold": coverage_cell,
            "half width, decades": lambda row: (
                "unbounded"
                if math.isinf(row["half_width_decades"])
                else number(row["half_width_decades"])
            ),
        },
        reading=_regression_reading,
        figure=draw_regression,
    ),
    "twins": Shown(
        title="Twins: the ceiling of every method",
        caption=(
            "Specimens are simulated again with their bulk sources and obstacles moved along "
            "their planes by a few Burgers vectors, everything else the same. r² between twins is "
            "1 where their curves are equal and 0 where they are as different as any two "
            "specimens of that width: no method reaches more without resolving the shift. Read "
            "alike: test maps of which the ensemble names the same class for both twins, which one "
            "that names the same class for every map does too."
        ),
        columns={
            "width": lambda row: _any_width(row["width_nm"]),
            "pairs": lambda row: cell(
                str(int(row["pairs"])), counted(int(row["pair_specimens"]), "specimen")
            ),
            "r² at 0.2 %": lambda row: _likeness_cell(row, "0.002"),
            "r² at 0.5 %": lambda row: _likeness_cell(row, "0.005"),
            "r² at 1 %": lambda row: _likeness_cell(row, "0.01"),
            "predicted at 1 %": lambda row: number(row["predicted_r2_0.01"]),
            "test maps": maps_cell,
            "read alike": lambda row: cell(
                percent(row["same_class"]), percent_range(row["ci_low"], row["ci_high"])
            ),
        },
        reading=_twins_reading,
        figure=draw_twins,
    ),
}
