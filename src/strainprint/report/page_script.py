"""The page's script: sorts and filters tables. Without it every row stands there all the same."""

from __future__ import annotations

from typing import Final

SCRIPT: Final = """
"use strict";
(() => {
  const UNITS = {"\\u00b5m": 1000};
  const value = cell => {
    const text = cell.firstChild ? cell.firstChild.textContent.trim() : "";
    const plain = text.replace(/\\u2212/g, "-").replace(/(\\d)[ \\u00a0](?=\\d{3})/g, "$1");
    const found = plain.match(/^([<=] )?([-+]?[0-9]*\\.?[0-9]+)[ \\u00a0]?([^ ]*)/);
    if (found) return [0, parseFloat(found[2]) * (UNITS[found[3]] || 1), ""];
    return /^[\\u2013-]?$/.test(plain) ? [2, 0, ""] : [1, 0, plain];
  };
  const order = (a, b) => a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2]);
  const sort = (table, column, down) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, at) => [value(row.cells[column]), at, row]);
    rows.sort((a, b) => {
      if (a[0][0] === 2 || b[0][0] === 2) return a[0][0] - b[0][0] || a[1] - b[1];
      return (down ? -1 : 1) * order(a[0], b[0]) || a[1] - b[1];
    });
    body.append(...rows.map(row => row[2]));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(other => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down);
      });
    });
    const columns = heads.flatMap((head, at) => head.hasAttribute("data-filter") ? [at] : []);
    if (!columns.length) continue;
    const bar = document.createElement("div");
    bar.className = "filters";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    const text = cell => cell.firstChild.textContent.trim();
    const selects = columns.map(column => {
      const label = document.createElement("label");
      const select = document.createElement("select");
      label.append(heads[column].textContent + " ", select);
      const cells = [...table.tBodies[0].rows].map(row => row.cells[column]);
      const texts = new Map(cells.map(cell => [text(cell), value(cell)]));
      const names = [...texts.keys()].sort((a, b) => order(texts.get(a), texts.get(b)));
      select.append(new Option("any", ""), ...names.map(name => new Option(name, name)));
      select.addEventListener("change", apply);
      bar.append(label);
      return select;
    });
    function apply() {
      const rows = [...table.tBodies[0].rows];
      for (const row of rows) {
        row.hidden = selects.some((select, at) =>
          select.value && text(row.cells[columns[at]]) !== select.value);
      }
      count.textContent = rows.filter(row => !row.hidden).length + " of " + rows.length + " rows";
    }
    bar.append(count);
    table.closest(".scroll").before(bar);
    apply();
  }
})();
"""
