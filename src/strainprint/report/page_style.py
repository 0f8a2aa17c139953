"""The page's style sheet: one column of text, wide tables that scroll, the same in print."""

from __future__ import annotations

from typing import Final

STYLE_SHEET: Final = """
:root {
  --ink: #1d2733; --muted: #5b6672; --line: #d8dee5; --wash: #f5f7f9; --accent: #0b5c8c;
  --band: #9cc4de; --chance: #b4532a;
  --text: Charter, "Bitstream Charter", "Iowan Old Style", "Palatino Linotype", Georgia, serif;
  --plain: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: #fff; font: 17px/1.55 var(--text); }
a { color: var(--accent); text-underline-offset: 2px; }
a:focus-visible, .scroll:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: 1rem; background: #fff; padding: .5rem 1rem; z-index: 2; }
.frame { max-width: 80rem; margin: 0 auto; padding: 0 1.25rem 4rem; }
header { padding: 1.1rem 0 .7rem; border-bottom: 1px solid var(--line); margin-bottom: 1.1rem; }
.kicker { font: 600 .78rem/1 var(--plain); letter-spacing: .08em; text-transform: uppercase;
  color: var(--accent); margin: 0 0 .5rem; }
h1 { font-size: clamp(1.5rem, 2.9vw, 2.1rem); line-height: 1.15; margin: 0 0 .4rem;
  max-width: 40em; font-weight: 600; letter-spacing: -.01em; text-wrap: balance; }
.source { color: var(--muted); margin: 0; max-width: 72rem; font-size: .92rem; }
h2 { font-size: 1.55rem; line-height: 1.25; margin: 3.2rem 0 .7rem; font-weight: 600;
  scroll-margin-top: 1rem; }
h3 { font: 600 1.02rem/1.35 var(--plain); margin: 2rem 0 .5rem; scroll-margin-top: 1rem; }
p, ul, dl { max-width: 46rem; margin: .6rem 0; }
li { margin: .35rem 0; }
p, li, dd, figcaption, summary { overflow-wrap: anywhere; }
.lead { font-size: 1.1rem; line-height: 1.45; max-width: 56rem; }
.note, caption, figcaption { color: var(--muted); font-size: .88rem; line-height: 1.45; }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
nav { font: .9rem/1.4 var(--plain); }
nav h2 { font: 600 .78rem/1 var(--plain); letter-spacing: .08em; text-transform: uppercase;
  color: var(--muted); margin: 0 0 .7rem; }
nav ol { list-style: none; margin: 0; padding: 0; }
nav li { margin: .15rem 0; }
nav ol ol { font-size: .8rem; margin-bottom: .4rem; }
nav ol ol li { display: inline; margin-right: .5rem; }
nav ol ol a { color: var(--muted); padding: 0; }
nav a { color: var(--ink); text-decoration: none; display: inline-block; padding: .12rem 0; }
nav a:hover { color: var(--accent); text-decoration: underline; }
@media (min-width: 62rem) {
  .columns { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 2.6rem; }
  nav { position: sticky; top: 1.2rem; align-self: start; max-height: calc(100vh - 2.4rem);
    overflow-y: auto; }
}
@media (max-width: 61.99rem) {
  nav { margin: 0 -1.25rem 1.4rem; }
  nav h2, nav ol ol { display: none; }
  nav > ol { display: flex; gap: 1.2rem; overflow-x: auto; white-space: nowrap;
    padding: 0 1.25rem .6rem; border-bottom: 1px solid var(--line); }
}
main > section:first-child > h2 { margin-top: 0; }
/* A shade at the side to which there is more of a table. */
.scroll { overflow-x: auto; margin: 1rem 0 .4rem;
  background: linear-gradient(to right, #fff 40%, transparent) 0 0 / 3rem 100% local,
    linear-gradient(to left, #fff 40%, transparent) 100% 0 / 3rem 100% local,
    linear-gradient(to right, #1d27332e, transparent) 0 0 / .8rem 100% scroll,
    linear-gradient(to left, #1d27332e, transparent) 100% 0 / .8rem 100% scroll;
  background-repeat: no-repeat; }
table { border-collapse: collapse; font: .86rem/1.4 var(--plain);
  font-variant-numeric: tabular-nums lining-nums; min-width: 100%; }
caption { caption-side: top; text-align: left; padding: 0 0 .5rem; font-family: var(--text); }
caption span { display: block; position: sticky; left: 0; width: min(46rem, 100vw - 2.5rem); }
caption b { color: var(--ink); }
th, td { padding: .38rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 1.5px solid var(--ink); font-weight: 600; vertical-align: bottom;
  white-space: normal; line-height: 1.25; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
th[scope=row], thead th:first-child, .left { text-align: left; }
th[scope=row] { font-weight: 500; }
tbody tr:hover { background: var(--wash); }
tr.strong th, tr.strong td { font-weight: 600; }
td small, th small { display: block; color: var(--muted); font-size: .78rem; font-weight: 400; }
.many td { padding-left: .5rem; }
.sortable thead button { all: unset; cursor: pointer; box-sizing: border-box; text-align: inherit; }
.sortable thead button:hover { color: var(--accent); }
.sortable thead button:focus-visible, .filters select:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px; }
.sortable thead button::after { content: " \\2195"; color: var(--muted); font-weight: 400; }
.sortable [aria-sort=ascending] button::after { content: " \\2191"; color: var(--accent); }
.sortable [aria-sort=descending] button::after { content: " \\2193"; color: var(--accent); }
.filters { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: center;
  font: .84rem/1.4 var(--plain); margin: 1rem 0 -.4rem; }
.filters label { display: inline-flex; gap: .4rem; align-items: center; max-width: 100%; }
.filters select { min-width: 0; font: inherit; color: var(--ink); background: #fff;
  padding: .25rem .4rem; border: 1px solid #7d8894; border-radius: 3px; }
.filters [role=status] { color: var(--muted); }
details { margin: .6rem 0; }
summary { cursor: pointer; font: .92rem/1.4 var(--plain); color: var(--accent); }
pre { font: .78rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-x: auto; background: var(--wash); padding: .8rem 1rem; }
.audit { border-left: 3px solid var(--accent); background: #f1f7fb; padding: .4rem 1.1rem;
  margin: .8rem 0; max-width: 58rem; font-size: .95rem; line-height: 1.45; }
.audit h3 { margin: .1rem 0; }
.audit ul { margin: .2rem 0; padding-left: 1.1rem; max-width: none; }
.audit li { margin: .12rem 0; }
.words td { text-align: left; white-space: normal; }
.big { font-size: 1.12rem; font-weight: 600; }
.accuracies td { min-width: 7.6rem; }
.accuracies td:last-child { min-width: 0; }
.track { display: block; position: relative; height: 10px; margin: .3rem 0 .15rem;
  background: linear-gradient(var(--line), var(--line)) 0 50% / 100% 1px no-repeat;
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.track i { position: absolute; top: 0; height: 10px; }
.track .band { background: var(--band); border-radius: 2px; top: 2px; height: 6px; }
.track .dot { width: 8px; height: 8px; margin-left: -4px; top: 1px; border-radius: 50%;
  background: var(--accent); }
.track .chance { width: 0; border-left: 1.5px dashed var(--chance); }
.key { font: .8rem/1.4 var(--plain); color: var(--muted); max-width: none; }
.key .track { display: inline-block; width: 3.2rem; margin: 0 .35rem 0 .9rem;
  vertical-align: middle; }
.findings { padding-left: 1.1rem; }
.limits { border-left: 3px solid var(--chance); background: #fbf6f3; padding: .7rem 1.2rem;
  margin: 1.4rem 0; max-width: 50rem; }
.limits h3 { margin-top: .2rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(23rem, 100%), 1fr));
  gap: 2rem 2.4rem; align-items: start; margin: 1.2rem 0; }
figure { margin: 0; max-width: 34rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { margin-top: .5rem; }
figcaption span { display: block; position: sticky; left: 0; width: min(46rem, 100vw - 2.5rem); }
caption b { color: var(--ink); }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.4rem;
  font: .9rem/1.45 var(--plain); }
dl.facts dt { color: var(--muted); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--muted); font-size: .88rem; }
@media (max-width: 40rem) {
  body { font-size: 16px; }
  header { padding-top: 1.2rem; }
  h2 { margin-top: 2.4rem; }
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: .5rem; }
  th, td { padding: .38rem .45rem; }
  th[scope=row], thead th:first-child { white-space: normal; min-width: 6.2rem;
    max-width: 8.5rem; }
  .scroll tr > th:first-child { position: sticky; left: 0; background: #fff; }
}
@media print {
  @page { margin: 18mm 16mm; }
  body { font-size: 10.5pt; }
  nav, .skip, .filters { display: none; }
  .sortable thead button::after { content: none !important; }
  .columns { display: block; }
  .frame { padding: 0; max-width: none; }
  .scroll { overflow: visible; background: none; }
  table { font-size: 8pt; }
  caption span { position: static; width: auto; }
  th, td { padding: .2rem .4rem; white-space: normal; }
  .accuracies td { min-width: 0; }
  td small, th small { font-size: 7pt; }
  th[scope=row] { white-space: nowrap; }
  .figures { grid-template-columns: 1fr 1fr; gap: 1rem 1.5rem; }
  figure { max-width: 9cm; }
  figure, table, .limits { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  a { color: inherit; text-decoration: none; }
}
"""
