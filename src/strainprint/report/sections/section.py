"""What a section of the page is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from strainprint.report.study_report import Report


@dataclass(frozen=True)
class Section:
    """A headed piece of the page: ``content`` is HTML, ``parts`` follow below it."""

    anchor: str
    title: str
    content: str
    parts: tuple[Section, ...] = ()


@dataclass(frozen=True)
class ReportSection:
    """A table or figure of the page, shown for every study and split.

    Attributes
    ----------
    name
        Unique; part of the anchor.
    title
        What stands before its colon is the entry in the contents.
    content
        Makes the HTML from the tables and figures of one study and split. It shows them with
        ``report.figure(name)`` and ``markup.table``, and says in a sentence or two what they
        allow to conclude.
    """

    name: str
    title: str
    content: Callable[[Report], str]
