"""Figure 3: what the network sees, and its training."""

from __future__ import annotations

from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report


def _features(report: Report) -> str:
    return f'<div class="figures">{report.figure("projection")}{report.figure("histories")}</div>'


SECTION = ReportSection("features", "Figure 3: what the network sees, and its training", _features)
