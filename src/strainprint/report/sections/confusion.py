"""Figure 2: which classes are confused."""

from __future__ import annotations

from strainprint.report import readings
from strainprint.report.inputs import lead_network
from strainprint.report.markup import joined, paragraph
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report


def _confusion(report: Report) -> str:
    names = [name for name in report.tables if name.startswith("confusion_")]
    lead = report.tables[f"confusion_{lead_network(report.networks)}"]
    pictures = f'<div class="figures">{report.figure("confusion")}</div>'
    return (
        pictures
        + paragraph(readings.confused(lead))
        + paragraph(joined("Counts of every model: ", report.csv(*names)), kind="note")
    )


SECTION = ReportSection("confusion", "Figure 2: which classes are confused", _confusion)
