"""Snakemake's own report: made offline, every file with its category and caption."""

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'


def test_snakemakes_report_has_categories_and_captions(done):
    study = done.workdir / "results/audited/specimen/report"
    (study / "figures/confusion.svg").write_text(SVG)
    (study / "tables/table1.csv").write_text("model,accuracy\nchance,0.3\n")
    (done.workdir / "results/drawings/figures/flow.svg").write_text(SVG)
    (done.workdir / "results/report.html").write_text("<p>page</p>")
    run = done.snakemake("--report", "own.html")
    assert run.returncode == 0, run.stdout + run.stderr
    report = (done.workdir / "own.html").read_text()
    for name, category, caption in (
        ("confusion.svg", "Figures", "Its caption, with n"),
        ("table1.csv", "Tables", "resamples of whole specimens"),
        ("flow.svg", "Method", "drawn from the workflow"),
        ("report.html", "Page", "all studies and splits"),
    ):
        assert name in report
        assert f'"{category}"' in report
        assert caption in report
    assert "audited, specimen" in report
