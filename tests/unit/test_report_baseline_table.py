"""The table of the baseline's variants: counts, what is paired, what is damaged."""

import pandas as pd
import pytest
from synthetic_results import build_results, report_inputs

from strainprint.errors import BadInputError
from strainprint.report.baseline_table import baseline_tables
from strainprint.report.tables import accuracy_table


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return build_results(tmp_path_factory.mktemp("variants"))


def test_the_chosen_variant_is_the_baseline_of_table_1(results):
    inputs = report_inputs(results, "audited", "specimen")
    table = baseline_tables(inputs)["baseline_variants"].set_index("variant")
    chosen = table.loc["two_state-pymks-forest"]
    table1 = accuracy_table(inputs.models, seed=1, resamples=200).set_index("model")
    assert chosen["correct"] == table1.loc["baseline", "correct"]
    assert chosen["n_test"] == table1.loc["baseline", "n_test"]
    assert chosen["ci_low"] < chosen["accuracy"] < chosen["ci_high"]
    assert pd.isna(chosen["minus_chosen"])
    assert chosen["paper_accuracy"] == 0.6824


def test_a_variant_that_names_one_class_is_right_where_this_class_is(results):
    inputs = report_inputs(results, "audited", "specimen")
    row = baseline_tables(inputs)["baseline_variants"].set_index("variant").loc["raw-whole-svm"]
    test = inputs.manifest[(inputs.parts == "test").to_numpy()]
    assert row["correct"] == (test["strain_path"] == inputs.manifest["strain_path"].iloc[0]).sum()
    assert row["minus_chosen_low"] <= row["minus_chosen"] <= row["minus_chosen_high"]
    assert pd.isna(row["paper_accuracy"])


def test_tables_that_do_not_fit_are_refused(results, tmp_path):
    inputs = report_inputs(results, "audited", "specimen")
    variants = pd.read_csv(inputs.baseline / "variants.csv")
    said = pd.read_csv(inputs.baseline / "variant_predictions.csv")

    def written(variants, said):
        variants.to_csv(tmp_path / "variants.csv", index=False)
        said.to_csv(tmp_path / "variant_predictions.csv", index=False)
        return report_inputs(results, "audited", "specimen", baseline=tmp_path)

    with pytest.raises(BadInputError, match="without predictions: \\['raw-whole-svm'\\]"):
        baseline_tables(written(variants, said.drop(columns="raw-whole-svm")))
    with pytest.raises(BadInputError, match="chosen: 0"):
        baseline_tables(written(variants.assign(chosen=0), said))
    with pytest.raises(BadInputError, match="other maps or classes"):
        baseline_tables(written(variants, said.assign(map_id="w0001-s1-0000-0.1-small")))
