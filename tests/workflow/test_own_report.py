"""Snakemake's own report: made offline, every file with its category and caption."""

import json

from scale import config_of

from strainprint.config import config_digest
from strainprint.workflow import config_of_results

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'


def write_captions(manifest, name):
    """Write what a figure's manifest says of it, with marks that reStructuredText would take."""
    entry = {"name": name, "title": f"A {name}", "caption": f"Maps of {name}_*. n = 12 maps."}
    manifest.write_text(json.dumps({"figures": [entry]}))


def test_snakemakes_report_has_categories_and_captions(done):
    study = done.workdir / "results/audited/specimen/report"
    (study / "figures/confusion.svg").write_text(SVG)
    write_captions(study / "figures.json", "confusion")
    (study / "tables/table1.csv").write_text("model,accuracy\nchance,0.3\n")
    (study / "tables/summary.csv").write_text("maps,specimens,test_maps,test_specimens\n24,4,6,1\n")
    config = config_digest(config_of_results(config_of("config/smoke.yaml")))
    (done.workdir / "results/drawings/figures/flow.svg").write_text(SVG)
    write_captions(done.workdir / "results/drawings/figures.json", "flow")
    (done.workdir / "results/report.html").write_text("<p>page</p>")
    run = done.snakemake("--report", "own.html")
    assert run.returncode == 0, run.stdout + run.stderr
    report = (done.workdir / "own.html").read_text()
    for name, category, caption in (
        ("confusion.svg", "Figures", "Maps of confusion_*. n = 12 maps."),
        ("table1.csv", "Tables", "resamples of whole specimens"),
        (
            "table1.csv",
            "Tables",
            "n = 6 test maps of 1 specimen; all parts: 24 maps",
        ),
        ("table1.csv", "Tables", f"Config {config}."),
        ("flow.svg", "Method", "Maps of flow_*. n = 12 maps."),
        ("report.html", "Page", "all studies and splits"),
    ):
        assert name in report
        assert f'"{category}"' in report
        assert caption in report
    assert "audited, specimen" in report


def test_the_config_in_their_captions_makes_no_table_anew(done):
    (done.root / "config/edit.yaml").write_text("studies: {audited: {aspect: '1:3'}}")
    plan = done.plan("--configfile", "config/smoke.yaml", "config/edit.yaml", config="config")
    assert (plan["tables"], plan["figures"], plan["page"]) == (1, 2, 1)
