"""File names: every path belongs to one pattern, and names its wildcards fully."""

import re
import string

import pytest

from strainprint.config import RESERVED_STUDIES
from strainprint.workflow import WILDCARDS, Paths, benchmark_path, log_path

EXAMPLES = {
    "subset": "w0062.5-s2",
    "shard": "0012",
    "study": "published",
    "split": "specimen",
    "network": "res4-l2",
    "seed": "3",
    "experiment": "leave_out",
    "variant": "width-62.5",
    "trial": "first-defaults",
}


def wildcards_of(pattern: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(pattern) if name]


def as_regex(pattern: str) -> str:
    parts = [
        re.escape(text) + (f"(?P<{name}>{WILDCARDS[name]})" if name else "")
        for text, name, _, _ in string.Formatter().parse(pattern)
    ]
    return "".join(parts)


def test_every_pattern_lies_under_results_and_uses_known_wildcards():
    for pattern in Paths.patterns().values():
        assert pattern.startswith("results/")
        assert set(wildcards_of(pattern)) <= set(WILDCARDS)


def test_a_path_belongs_to_exactly_one_pattern():
    patterns = Paths.patterns()
    assert len(set(patterns.values())) == len(patterns)
    for name, pattern in patterns.items():
        path = pattern.format(**EXAMPLES)
        owners = [other for other, that in patterns.items() if re.fullmatch(as_regex(that), path)]
        assert owners == [name]


def test_wildcards_are_read_back_from_a_path():
    found = re.fullmatch(as_regex(Paths.weights), Paths.weights.format(**EXAMPLES))
    assert found is not None
    assert found.groupdict() == {
        name: EXAMPLES[name] for name in ("study", "split", "network", "seed")
    }


@pytest.mark.parametrize("name", sorted(RESERVED_STUDIES))
def test_other_folders_of_results_are_no_study(name):
    assert not re.fullmatch(as_regex(Paths.manifest), f"results/{name}/dataset/manifest.csv")


def test_log_and_benchmark_of_a_job_are_named_alike():
    assert log_path("split", "study", "split") == "results/logs/split/{study}/{split}.log"
    assert benchmark_path("page") == "results/benchmarks/page.tsv"
