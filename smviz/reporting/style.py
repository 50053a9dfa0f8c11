"""How a report looks: light or dark as the reader's screen is, and light on paper. No font and no file is loaded."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --panel: #f4f6f8; --ink: #18202a; --soft: #566270; --line: #dfe4ea;
  --accent: #0f766e; --precision: #0072b2; --recall: #b36b00; --tp: #00855f; --fp: #c04f00; --fn: #0068a8;
  --deepen: 25%; --shade: .85; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #0e1116; --panel: #171b22; --ink: #e6e9ee;
  --soft: #9aa5b4; --line: #2a313b; --accent: #2dd4bf; --precision: #56b4e9; --recall: #e69f00; --tp: #2bc490;
  --fp: #f08a4b; --fn: #56b4e9; --deepen: 0%; --shade: .6; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 3.5rem) 4rem; max-width: 1560px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .35rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .8rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .4rem 0; max-width: 105ch; }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1rem 0 1.6rem; font-size: .93rem; }
.soft, figcaption, .note { color: var(--soft); font-size: .9rem; }
.warn { border-left: 3px solid var(--fp); padding: .1rem 0 .1rem .8rem; margin: .6rem 0; }
data, td, .value { font-variant-numeric: tabular-nums; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(168px, 1fr)); gap: .8rem; margin: .8rem 0; }
.tile { border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem; break-inside: avoid; }
.tile .label { color: var(--soft); font-size: .88rem; }
.tile .value { font-size: 1.6rem; line-height: 1.3; font-weight: 600; }
.tile .value.long { font-size: 1.2rem; line-height: 1.75; white-space: nowrap; }
.tile .beside { color: var(--soft); font-size: .85rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 1.6rem 2.2rem;
  align-items: start; }
figure { margin: 0; break-inside: avoid; min-width: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: right; padding: .32rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; }
th:first-child, td:first-child, .left { text-align: left; }
td.wide { white-space: normal; text-align: left; min-width: 14rem; }
td.name { white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
tr { break-inside: avoid; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1.2rem;
  font-size: .92rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .88em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: 0 0 .3rem; padding: 0;
  font-size: .87rem; color: var(--soft); }
.sample { width: 26px; height: 10px; margin-right: .4rem; vertical-align: middle; overflow: visible; }
.sample rect { width: 14px; height: 10px; }
svg.chart { width: 100%; height: auto; display: block; overflow: visible; }
svg.range { width: 100%; min-width: 160px; max-width: 300px; height: 16px; vertical-align: middle; }
svg.chart text { fill: var(--ink); font-size: 12.5px; }
svg text { font-family: inherit; }
svg.chart .tick, svg.chart .axis, svg.chart .tiny { fill: var(--soft); }
svg.chart .tick, svg.chart .tiny { font-size: 11.5px; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
.grid { stroke: var(--line); stroke-width: 1; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.precision { stroke: var(--precision); } .line.recall { stroke: var(--recall); stroke-dasharray: 7 4; }
.line.f1 { stroke: var(--accent); stroke-width: 2.8; } .line.diagonal { stroke: var(--soft); stroke-dasharray: 3 4; }
.line.of-class { stroke: var(--c); stroke: color-mix(in srgb, var(--c), black var(--deepen)); }
.dot { fill: var(--c); fill: color-mix(in srgb, var(--c), black var(--deepen));
  stroke: var(--paper); stroke-width: 1.5; }
.upright { stroke: var(--soft); stroke-width: 1.6; } .upright.best { stroke: var(--accent); stroke-dasharray: 2 3; }
text.told { stroke: var(--paper); stroke-width: 3px; paint-order: stroke; } text.upright { stroke-width: 3px; }
.bar.precision { fill: var(--precision); } .bar.recall { fill: var(--recall); } .bar.ap { fill: var(--accent); }
.bar.tp { fill: var(--tp); } .bar.fp { fill: var(--fp); } .bar.soft { fill: var(--accent); fill-opacity: .45; }
.bar.flat { fill: var(--accent); fill-opacity: .13; }
.bar.tide { fill: var(--soft); } .bar.cls { fill: #cc79a7; } .bar.loc { fill: #e69f00; } .bar.dupe { fill: #56b4e9; }
.bar.bkg { fill: #d55e00; } .bar.miss { fill: var(--precision); }
.cell { fill: var(--accent); fill-opacity: calc(.05 + var(--share) * .6); } svg.matrix text.told { stroke: none; }
.whisker { stroke: var(--accent); stroke-width: 6; stroke-opacity: .6; } .point { fill: var(--ink); }
.worst { display: grid; gap: 1.6rem 1.4rem; margin-top: 1rem; }
.worst.whole { grid-template-columns: repeat(auto-fill, minmax(min(100%, 460px), 1fr)); }
.worst h3 { overflow-wrap: anywhere; } .worst > div { break-inside: avoid; min-width: 0; }
.crops { display: grid; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); gap: .7rem; }
svg.picture { width: 100%; height: auto; display: block; border-radius: .35rem; }
.crop figcaption { font-size: .82rem; overflow-wrap: anywhere; }
.kind { font-weight: 600; } .kind.fp { color: var(--fp); } .kind.fn { color: var(--fn); } .kind.tp { color: var(--tp); }
.halo { fill: none; stroke: #000; stroke-opacity: .55; stroke-width: 4.5px; vector-effect: non-scaling-stroke; }
.box { fill: none; stroke-width: 2.2px; vector-effect: non-scaling-stroke; }
.box.tp { stroke: #2bc490; } .box.fp { stroke: #ff8b3d; stroke-dasharray: 2 3; }
.box.fn { stroke: #6cc4ff; stroke-dasharray: 7 4; }
svg .label { fill: #fff; stroke: #000; stroke-width: .25em; paint-order: stroke; font-weight: 600; }
footer { margin-top: 3rem; color: var(--soft); font-size: .88rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
@media print {
  body { padding: 0; max-width: none; font-size: 10.5pt; } nav { display: none; } h2 { break-after: avoid; }
  h3 { break-after: avoid; }
  .scroll { overflow: visible; } .columns { grid-template-columns: 1fr 1fr; gap: 1rem 1.2rem; }
  .worst.whole { grid-template-columns: 1fr 1fr; } .crops { grid-template-columns: repeat(8, 1fr); gap: .3rem; }
  .crop figcaption { font-size: 6.5pt; }
  table { font-size: 8.5pt; } th, td { padding: .2rem .3rem; } .tiles { gap: .4rem;
    grid-template-columns: repeat(auto-fit, minmax(100px, 1fr)); } .tile { padding: .4rem .5rem; }
  .tile .value { font-size: 15pt; } .tile .value.long { font-size: 10pt; } .tile .beside { font-size: 7.5pt; }
  .bar, .cell, .box, .kind, .point { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  @page { margin: 14mm 12mm; }
}
"""
