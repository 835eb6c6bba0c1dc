"""Look of reports: light and dark, on any width, and printed."""

from __future__ import annotations

DARK = """
  color-scheme: dark; --ground: #12171d; --text: #e4e9ef; --quiet: #a6b2be; --line: #3a4652;
  --faint: #27313b; --rule: #4d5b69; --link: #7db8f0; --alert: #ff9a5c; --alert-ground: #2b2018;
  --good: #5fd3a8; --bad: #ffab7a; --bar: #a2561f;
"""
STYLE = f"""
:root {{ color-scheme: light; --ground: #fff; --text: #1c2530; --quiet: #5a6572; --line: #d5dbe3;
  --faint: #e4e8ed; --rule: #b9c2cd; --link: #0b5394; --alert: #d55e00; --alert-ground: #fdf3ea;
  --good: #00664a; --bad: #a33b00; --bar: #e59a62; }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ {DARK} }}
  img.plot {{ filter: invert(.92) hue-rotate(180deg); mix-blend-mode: lighten; }}
  img.photo {{ filter: brightness(.88); }}
}}
* {{ box-sizing: border-box; }}
body {{ font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  color: var(--text); background: var(--ground);
  margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 76rem; }}
h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
  border-top: 2px solid var(--line); overflow-wrap: anywhere; }}
p, li, summary, figcaption {{ overflow-wrap: anywhere; max-width: 64rem; }}
.about {{ color: var(--quiet); margin: 0 0 1.5rem; }}
nav ul {{ padding-left: 1.2rem; margin: .3rem 0; columns: 2; }}
a {{ color: var(--link); }}
:focus-visible {{ outline: 3px solid var(--link); outline-offset: 2px; }}
.skip {{ position: absolute; left: -99rem; }}
.skip:focus {{ left: .5rem; top: .5rem; padding: .4rem .8rem; background: var(--ground);
  z-index: 1; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }}
figcaption {{ color: var(--quiet); font-size: .92rem; padding: .2rem 0; }}
th, td {{ padding: .28rem .8rem .28rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--faint); overflow-wrap: anywhere; }}
th {{ font-weight: 600; border-bottom: 2px solid var(--rule); overflow-wrap: normal; }}
td {{ min-width: 7rem; }}
td:first-child {{ min-width: 8.5rem; }}
td.short {{ min-width: 0; white-space: nowrap; }}
.short:not(:first-child) {{ padding-left: .5rem; }}
td.number, th.number {{ text-align: right; padding: .28rem .5rem; }}
td.number, td.number:first-child {{ white-space: nowrap; min-width: 0; }}
figure {{ margin: 1rem 0 1.4rem; }}
figure.table {{ margin: .8rem 0 1.2rem; }}
figure .wide {{ overflow-x: auto; }}
img {{ max-width: 100%; height: auto; }}
.warnings {{ border-left: 4px solid var(--alert); background: var(--alert-ground);
  padding: .5rem 1rem; }}
.warnings ul {{ margin: .2rem 0; padding-left: 1.2rem; }}
summary {{ cursor: pointer; color: var(--link); padding: .3rem 0; }}
@media screen and (max-width: 48rem) {{
  body {{ padding: 1.2rem .9rem 3rem; }}
  nav ul {{ columns: 1; }}
  nav li {{ padding: .2rem 0; }}
  figure .wide img {{ max-width: none; width: 44rem; }}
}}
@media print {{ body {{ max-width: none; padding: 0; font-size: 10.5pt; }}
  nav, .skip {{ display: none; }} figure:not(.table), tr, .warnings {{ break-inside: avoid; }}
  figure.table figcaption {{ break-after: avoid; }}
  h2, summary {{ break-after: avoid; }} thead {{ display: table-header-group; }}
  .scroll, figure .wide {{ overflow: visible; }} table {{ font-size: 8pt; }}
  th, td, td.number, th.number, .short:not(:first-child) {{ padding: .2rem .3rem .2rem 0; }}
  td, td:first-child {{ min-width: 3.8rem; }} td.number, td.short {{ min-width: 0; }}
  td.short {{ white-space: normal; }}
  img {{ max-height: 23cm; }} a, summary {{ color: inherit; text-decoration: none; }}
  details::details-content {{ display: block; content-visibility: visible; height: auto; }}
}}
"""
