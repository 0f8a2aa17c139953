"""Pieces of HTML; every text that enters one is escaped here."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


@dataclass(frozen=True)
class Markup:
    """HTML that is already safe; plain ``str`` is not and gets escaped."""

    text: str


Text = str | Markup


def escaped(text: Text) -> str:
    """Return HTML for a text, leaving :class:`Markup` as it is."""
    return text.text if isinstance(text, Markup) else html.escape(text, quote=True)


def prose(text: str) -> Markup:
    """Return escaped text in which `` `code` `` and ``**strong**`` are set as such."""
    safe = _CODE.sub(r"<code>\1</code>", html.escape(text, quote=True))
    return Markup(_STRONG.sub(r"<strong>\1</strong>", safe))


def paragraph(text: Text, *, kind: str = "") -> str:
    """Return a paragraph, nothing where the text is empty."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escaped(text)}</p>" if escaped(text) else ""


def bullets(items: Iterable[Text], *, kind: str = "") -> str:
    """Return an unordered list of the items that are not empty, nothing where there is none."""
    attribute = f' class="{kind}"' if kind else ""
    inner = "".join(f"<li>{escaped(item)}</li>" for item in items if escaped(item))
    return f"<ul{attribute}>{inner}</ul>" if inner else ""


def cell(main: Text, below: Text = "") -> Markup:
    """Return the inside of a table cell: a value and, smaller below it, what qualifies it."""
    small = f"<small>{escaped(below)}</small>" if escaped(below) else ""
    return Markup(escaped(main) + small)


def table(
    heads: Sequence[Text],
    rows: Iterable[Sequence[Text]],
    *,
    caption: Text,
    label: str,
    kind: str = "",
    strong: Sequence[int] = (),
    sortable: bool = False,
    filters: Sequence[int] = (),
    name: str = "",
) -> str:
    """Return a table whose first column heads its rows, in a box that scrolls sideways.

    Parameters
    ----------
    heads, rows
        Cells; the first of each row is its heading.
    caption
        Shown above the table.
    label
        Name of the scrolling box for people who do not see it.
    kind
        CSS class.
    strong
        Indices of rows to set in bold.
    sortable
        Whether a click on a head sorts the rows.
    filters
        Indices of columns by whose values the rows can be chosen.
    name
        What the table is, for scripts.
    """
    head = "".join(
        f'<th scope="col"{" data-filter" if index in filters else ""}>{escaped(text)}</th>'
        for index, text in enumerate(heads)
    )
    kind = " ".join(filter(None, (kind, "sortable" if sortable else "")))
    body = []
    for index, (first, *others) in enumerate(rows):
        attribute = ' class="strong"' if index in strong else ""
        inner = "".join(f"<td>{escaped(text)}</td>" for text in others)
        body.append(f'<tr{attribute}><th scope="row">{escaped(first)}</th>{inner}</tr>')
    attribute = f' class="{kind}"' if kind else ""
    attribute += f' data-name="{escaped(name)}"' if name else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(label)}">'
        f"<table{attribute}><caption><span>{escaped(caption)}</span></caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def figure(image: bytes, media_type: str, *, title: str, caption: str, alternative: str) -> str:
    """Return a figure with its picture inside the page and its caption below."""
    data = base64.b64encode(image).decode("ascii")
    return (
        f'<figure><img src="data:{media_type};base64,{data}" alt="{escaped(alternative)}">'
        f"<figcaption><b>{escaped(title)}.</b> {escaped(caption)}</figcaption></figure>"
    )


def interval_track(value: float, low: float, high: float, chance: float) -> Markup:
    """Return a strip from 0 to 100 %: band of the interval, dot at the value, tick at chance.

    It repeats numbers that stand beside it and is hidden from screen readers.
    """
    parts = [f'<i class="chance" style="left:{100 * chance:.1f}%"></i>']
    if not (math.isnan(low) or math.isnan(high)):
        parts.append(
            f'<i class="band" style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
        )
    parts.append(f'<i class="dot" style="left:{100 * value:.1f}%"></i>')
    return Markup(f'<span class="track" aria-hidden="true">{"".join(parts)}</span>')


def link(target: str, text: str) -> Markup:
    """Return a link to a file beside the page."""
    return Markup(f'<a href="{escaped(target)}">{escaped(text)}</a>')


def joined(*parts: Text) -> Markup:
    """Return the parts one behind the other, each escaped unless it is markup."""
    return Markup("".join(escaped(part) for part in parts))
