"""The flow of rules that Figure 1 draws, from rules as Snakemake has them."""

from types import SimpleNamespace

from strainprint.report.figures.flow import direct_edges, layers_of
from strainprint.workflow import rule_flow


def rule(name, reads, writes, wildcards=()):
    return SimpleNamespace(
        name=name,
        input=reads,
        output=writes,
        wildcard_names=set(wildcards),
        snakefile=f"workflow/rules/stage_of_{name}.smk",
    )


RULES = [
    rule("make", [], ["out/{width,\\d{4}}/a.h5"], ["width"]),
    rule("read", ["out/{width}/a.h5"], ["out/{width}/b.csv"], ["width"]),
    rule("join", ["out/0100/b.csv", "out/0200/b.csv"], ["out/c.csv"]),
    rule("page", [lambda wildcards: ["out/c.csv", "out/0100/a.h5"], "given.csv"], ["out/p.html"]),
    rule("aside", ["out/c.csv"], ["out/d.csv"]),
]


def test_rules_read_from_those_whose_patterns_fit_their_files():
    flow = {one["rule"]: one for one in rule_flow(RULES, "page", {"width": "0100"})}
    assert {name: one["reads"] for name, one in flow.items()} == {
        "make": [],
        "read": ["make"],
        "join": ["read"],
        "page": ["join", "make"],
    }
    assert flow["make"]["writes"] == ["out/{width}/a.h5"]
    assert flow["make"]["stage"] == "stage_of_make"


def test_inputs_of_wildcards_that_are_not_known_are_left_out():
    rules = [
        *RULES[:3],
        rule("page", [lambda wildcards: wildcards.trial], ["p/{trial}"], ["trial"]),
    ]
    assert rule_flow(rules, "page", {"width": "0100"})[0]["reads"] == []


def test_layers_are_the_longest_way_and_implied_arrows_are_left_out():
    reads = {"make": [], "read": ["make"], "join": ["read", "make"], "page": ["join", "read"]}
    assert layers_of(reads) == {"make": 0, "read": 1, "join": 2, "page": 3}
    assert direct_edges(reads) == [("join", "page"), ("make", "read"), ("read", "join")]
