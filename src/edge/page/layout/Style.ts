/**
 * The one style sheet: system fonts, tabular figures, one accent colour, light and dark.
 *
 * Room: edge.
 *
 * Each colour of text has a contrast of 4.5 or more on each ground it stands on, in both themes (held by axe in
 * `test/edge/page`). Nothing moves.
 */
export const style = `:root {
  color-scheme: light dark;
  --ground: light-dark(#fcfbf9, #151617);
  --raised: light-dark(#f4f2ed, #1d1f21);
  --sunk: light-dark(#f0ede6, #1a1c1e);
  --text: light-dark(#1d1c1a, #e6e3dd);
  --quiet: light-dark(#625d55, #a29d94);
  --line: light-dark(#e2ddd3, #303335);
  --strong: light-dark(#bdb6a8, #55595c);
  --accent: light-dark(#0b5d8f, #79bde8);
  --tint: light-dark(#e6eff5, #17293a);
  --bad: light-dark(#a4262c, #f08a8a);
  --badtint: light-dark(#fbeceb, #3a1f20);
  --good: light-dark(#2a6b3c, #86c896);
  --goodtint: light-dark(#e9f3ea, #19301f);
  --warn: light-dark(#805400, #dfb25c);
  --mark: light-dark(#fbe8a6, #5a4a12);
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
:root[data-theme=light] { color-scheme: light }
:root[data-theme=dark] { color-scheme: dark }
* { box-sizing: border-box }
html { scroll-padding-top: 5.75rem; -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 var(--sans); font-variant-numeric: tabular-nums; overflow-wrap: break-word }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: .18em }
main :not(td, th) > a:not([class]), .quietlink { text-decoration-color: color-mix(in srgb, currentColor 35%, transparent) }
a:hover { text-decoration-thickness: 2px }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px }
h1, h2, h3 { line-height: 1.25; font-weight: 620; letter-spacing: -.005em; text-wrap: balance }
h1 { font-size: 1.45rem; margin: 0 0 .35rem }
main > h1 { display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical; overflow: hidden }
h2 { font-size: 1.02rem; margin: 2.2rem 0 .6rem }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem }
p { margin: .5rem 0 }
code, pre, kbd, .mono { font-family: var(--mono); font-size: .87em; font-variant-ligatures: none }
kbd { border: 1px solid var(--strong); border-radius: 3px; padding: 0 .3em; font-size: .8em }
button, input, select, textarea { font: inherit; color: inherit }
button, .button { background: var(--raised); border: 1px solid var(--strong); border-radius: 5px; padding: .25rem .65rem; cursor: pointer; color: var(--text); text-decoration: none; white-space: nowrap }
button:hover, .button:hover { border-color: var(--accent) }
input, select, textarea { background: var(--ground); border: 1px solid var(--strong); border-radius: 5px; padding: .3rem .55rem }
input[type=checkbox], input[type=range] { accent-color: var(--accent) }
hr { border: 0; border-top: 1px solid var(--line); margin: 1.5rem 0 }
.then { margin: 0; padding: .3rem 1.25rem; background: var(--tint); border-bottom: 1px solid var(--line) }
.picture { margin: .5rem 0 } .picture img { max-width: 100%; max-height: 32rem; border: 1px solid var(--line); border-radius: 3px }
.skip { position: absolute; left: -999rem }
.skip:focus { left: .5rem; top: .5rem; background: var(--ground); padding: .4rem .7rem; z-index: 9 }
.seen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.quiet { color: var(--quiet) }
.bad { color: var(--bad) } .good { color: var(--good) } .warn { color: var(--warn) }
.number { text-align: right; white-space: nowrap }
.nowrap { white-space: nowrap }
.small { font-size: .87rem }
mark { background: var(--mark); color: inherit; padding: 0 .1em; border-radius: 2px }

.bar { position: sticky; top: 0; z-index: 5; background: var(--ground); border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; align-items: center; gap: .2rem 1.1rem; padding: .45rem 1.25rem }
.bar .name { font-weight: 680; color: var(--text); text-decoration: none; letter-spacing: -.01em }
.bar nav { flex: 0 1 auto; min-width: 0 }
.bar ul { list-style: none; margin: 0; padding: 0; display: flex; gap: .1rem .95rem; overflow-x: auto; scrollbar-width: none }
.bar li { flex: none } .bar li a { color: var(--quiet); text-decoration: none; font-size: .88rem; padding: .3rem 0; display: inline-block }
.bar li a:hover, .bar li a[aria-current] { color: var(--text) }
.bar li a[aria-current] { box-shadow: inset 0 -2px 0 var(--accent); font-weight: 600 }
.bar form { flex: 1 1 7rem; max-width: 17rem; margin-left: auto; display: flex }
.bar > nav + button { margin-left: auto }
@media (max-width: 76rem) { .bar nav { order: 3; flex-basis: 100% } }
.bar form input { width: 100%; padding: .22rem .55rem; font-size: .9rem }
.bar button { font-size: .82rem; padding: .2rem .5rem }
main { max-width: 96rem; margin: 0 auto; padding: 1.4rem 1.25rem 4rem; display: block }
main:focus { outline: none }
footer { max-width: 96rem; margin: 0 auto; padding: 1rem 1.25rem 2rem; color: var(--quiet); font-size: .82rem; border-top: 1px solid var(--line) }

.whole { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; align-items: baseline; margin: 0 0 1.2rem; font-size: .9rem; color: var(--quiet) }
.whole strong { color: var(--good); font-weight: 650 }
.whole.ill strong { color: var(--bad) }
.whole.unsure strong { color: var(--warn) }
.whole a { color: inherit; text-decoration-color: var(--strong) }
.find { margin: 0 0 1.6rem; display: flex; gap: .5rem }
.find input[type=search] { flex: 1; font-size: 1.06rem; padding: .5rem .8rem; min-width: 0 }
.now { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem 2rem; margin: 0 0 1.8rem; padding: 0 }
.now dt { color: var(--quiet); font-size: .85rem }
.now dd { margin: 0 }
.now dd .big { font-size: 1.55rem; font-weight: 600; line-height: 1.2; color: var(--text); text-decoration: none }
.now dd .big:hover { color: var(--accent) }
.now dd .small { display: block; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.split { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 3rem }
@media (min-width: 66rem) { .split { grid-template-columns: minmax(0, 1fr) 27rem } .split > * > h2:first-child { margin-top: 0 } }

.rows { list-style: none; margin: 0; padding: 0 }
.rows > li { border-top: 1px solid var(--line); padding: .5rem 0 }
.rows > li:first-child { border-top: 0; padding-top: 0 }
.rows > li.here, tr.here > * { background: var(--tint); box-shadow: -.6rem 0 0 var(--tint), -.75rem 0 0 var(--accent) }
tr.here > * { box-shadow: none }
.rows .title { color: var(--text); text-decoration: none; font-weight: 550; display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.rows .title:hover { color: var(--accent); text-decoration: underline }
.about { display: flex; flex-wrap: wrap; gap: 0 .9rem; color: var(--quiet); font-size: .85rem; margin: 0 }
.about a { color: inherit }
.about .push { margin-left: auto }
@media (min-width: 48rem) { .rows > li > .about { position: relative; padding-right: 8rem } .rows > li > .about > .push { position: absolute; right: 0; top: 0 } }
.subs { margin: .2rem 0 0 }
.subs > summary { color: var(--quiet); font-size: .85rem; cursor: pointer; width: fit-content }
.subs .rows { margin: .3rem 0 0 .3rem; padding-left: .9rem; border-left: 2px solid var(--line) }

#results { max-width: 62rem } .hits { list-style: none; margin: .25rem 0 0; padding: 0 } .hits li { padding: .12rem 0 .12rem .8rem; border-left: 2px solid var(--line); margin: .2rem 0; font-size: .93rem; overflow-wrap: anywhere } .hits a { color: var(--text); text-decoration: none } .hits a:hover { text-decoration: underline } .hits .about { display: inline-flex; margin-left: .5rem } .hits li.here { background: var(--tint) }
.wide { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
caption { text-align: left; color: var(--quiet); padding: 0 0 .3rem; font-size: .85rem }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; vertical-align: baseline; border-bottom: 1px solid var(--line) }
th:last-child, td:last-child { padding-right: 0 }
thead th { color: var(--quiet); font-weight: 500; font-size: .82rem; white-space: nowrap; vertical-align: bottom; border-bottom-color: var(--strong) }
thead td { border-bottom-color: var(--strong) }
tbody th { font-weight: 500 }
td a, tbody th a { text-decoration-color: transparent } td a:hover, tbody th a:hover, td a:focus-visible, tbody th a:focus-visible { text-decoration-color: currentColor }
.filters input:not([type=checkbox]), .filters select, .filters button { height: 2.1rem }
td.number, th.number { text-align: right; padding-right: .9rem } thead th.number { white-space: normal }
td.number + td:not(.number), th.number + th:not(.number) { padding-left: .9rem }
.many :is(th, td) { padding-right: .65rem }
tr:hover > td, tr:hover > th[scope=row] { background: color-mix(in srgb, var(--raised) 70%, transparent) }
.narrow { display: none } @media (max-width: 79.9rem) { .lesser { display: none } .narrow { display: block } }
.clip { max-width: 26rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.pages { display: flex; gap: 1rem; justify-content: space-between; margin: 1.2rem 0 }
.empty { color: var(--quiet); padding: 1.2rem 0 }
.notice { border-left: 3px solid var(--warn); padding: .15rem 0 .15rem .8rem; margin: .8rem 0 }
.notice.bad { border-color: var(--bad); color: inherit }
.command { display: flex; gap: .5rem; align-items: baseline; margin: .3rem 0; min-width: 0 }
.command code { background: var(--sunk); padding: .15rem .45rem; border-radius: 4px; overflow-x: auto; white-space: pre; max-width: 100% }
.filters { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: end; margin: .6rem 0 1rem }
.filters .spans { display: flex; gap: .8rem; margin: 0; padding-bottom: .4rem; flex-basis: auto }
.filters label { display: grid; gap: .1rem; font-size: .8rem; color: var(--quiet) }
.filters label > * { font-size: .9rem; color: var(--text) }
.filters label.check { display: flex; gap: .3rem; align-items: center }
.filters fieldset { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .2rem .8rem }
.filters legend { font-size: .8rem; color: var(--quiet); padding: 0 }

figure { margin: 1rem 0 1.6rem }
figcaption { display: flex; flex-wrap: wrap; gap: .1rem .9rem; align-items: baseline; margin-bottom: .35rem }
figcaption h2, figcaption h3 { margin: 0 }
figcaption .ways { font-size: .82rem; margin-left: auto; display: flex; gap: .8rem }
figure details > summary { cursor: pointer; color: var(--quiet); font-size: .82rem }
svg { display: block; max-width: 100%; height: auto; overflow: visible }
svg text { font: 11px var(--sans); fill: var(--quiet); font-variant-numeric: tabular-nums }
svg .value { fill: var(--text) }
svg .mark { fill: var(--accent) } svg .bad { fill: var(--bad) } svg .rest { fill: var(--strong) }
svg .grid { stroke: var(--line); stroke-width: 1 }
svg .curve { stroke: var(--accent); fill: none; stroke-width: 1.75; stroke-linejoin: round }
svg .curve.s1 { stroke: var(--quiet); stroke-dasharray: 5 3 } svg .curve.s2 { stroke: var(--warn); stroke-dasharray: 2 3 } svg .curve.s3 { stroke: var(--good); stroke-dasharray: 8 3 2 3 }
svg .mark.s1 { fill: var(--quiet) } svg .mark.s2 { fill: var(--warn) } svg .mark.s3 { fill: var(--good) }
svg .touch { fill: transparent } svg .touch:hover { fill: color-mix(in srgb, var(--accent) 12%, transparent) } .chart { min-width: 34rem } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; color: var(--quiet); margin: .3rem 0 } .legend svg { display: inline-block; vertical-align: middle } .bars { display: inline-block }
.spark { display: inline-block; vertical-align: middle }
.h0 { fill: var(--sunk) } .h1 { fill: color-mix(in srgb, var(--accent) 22%, var(--ground)) } .h2 { fill: color-mix(in srgb, var(--accent) 45%, var(--ground)) } .h3 { fill: color-mix(in srgb, var(--accent) 70%, var(--ground)) } .h4 { fill: var(--accent) }

.thread { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 2.5rem }
.thread > article { max-width: 52rem; min-width: 0 }
@media (min-width: 72rem) { .thread { grid-template-columns: 19rem minmax(0, 1fr) } .outline { position: sticky; top: 3.6rem; max-height: calc(100vh - 4.5rem); overflow-y: auto } }
.outline { font-size: .84rem; scrollbar-width: thin }
.outline h2 { margin: 0 0 .4rem; font-size: .9rem }
.outline ol { list-style: none; margin: 0; padding: 0 }
.outline li { border-left: 2px solid var(--line); padding: .22rem 0 .22rem .7rem }
.outline li.here { border-left-color: var(--accent) }
.outline a { color: var(--text); text-decoration: none; display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden }
.outline a:hover { color: var(--accent) }
.outline .about { font-size: .76rem; gap: 0 .6rem }
@media (max-width: 71.99rem) { .outline { border-bottom: 1px solid var(--line); margin-bottom: 1rem; padding-bottom: .6rem } .outline ol { max-height: 14rem; overflow-y: auto } }
.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; color: var(--quiet); font-size: .87rem; margin: 0 0 .6rem; padding: 0 }
.doings { margin: .4rem 0 1rem; font-size: .87rem }
.doings > summary { cursor: pointer; color: var(--accent); width: fit-content }
.message { border-top: 1px solid var(--line); padding: .95rem 0 .75rem; position: relative }
.message > header { display: flex; flex-wrap: wrap; gap: 0 .8rem; align-items: baseline; font-size: .83rem; color: var(--quiet); margin-bottom: .25rem }
.message > header .who { font-weight: 650; color: var(--text) }
.message > header .push { margin-left: auto; display: flex; gap: .8rem }
.message > header .push a { color: inherit; text-decoration-color: transparent }
.message > header .push a:hover, .message > header .push a:focus-visible { text-decoration-color: currentColor }
.message:target, .message.here { background: var(--tint); box-shadow: -1rem 0 0 var(--tint), 1rem 0 0 var(--tint), -1.2rem 0 0 var(--accent) }
.prompt, .task, .command-message { border-left: 3px solid var(--accent); background: var(--raised); border-top: 0; margin: 1.3rem 0 .9rem; padding: .75rem 1rem .65rem; border-radius: 0 6px 6px 0 }
.prompt:target, .prompt.here { box-shadow: 0 0 0 2px var(--accent) }
.notice-message, .instructions { color: var(--quiet); font-size: .9rem; border-left: 3px dotted var(--strong); padding-left: .9rem; border-top: 0; margin: .6rem 0 }
.message.again { border-top: 0; padding-top: .1rem } .message.again > header .who { display: none } .message.again > header { margin-bottom: 0; font-size: .76rem } .message:not(.again):has(+ .again) { padding-bottom: .2rem }
.left { opacity: 1; border-left: 3px double var(--strong); padding-left: .9rem }
.words { font-size: 1rem; line-height: 1.62; max-width: 80ch }
.words > :first-child { margin-top: 0 } .words > :last-child { margin-bottom: 0 }
.words p, .words ul, .words ol, .words blockquote { margin: .65em 0 }
.words li { margin: .2em 0 } .words ul, .words ol { padding-left: 1.5em }
.words h3, .words h4, .words h5, .words h6 { margin: 1.2em 0 .4em; font-size: 1.02em; font-weight: 650 }
.words blockquote { border-left: 3px solid var(--line); padding-left: .9em; color: var(--quiet); margin-left: 0 }
.words :not(pre) > code { background: var(--sunk); padding: .08em .32em; border-radius: 3px; overflow-wrap: anywhere }
.words table { width: auto; font-size: .92em }
.words .plain, .plain { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: inherit }
pre { margin: .6rem 0; padding: .6rem .8rem; background: var(--sunk); border-radius: 5px; overflow-x: auto; line-height: 1.48; tab-size: 4; max-height: 36rem; overflow-y: auto }
pre.short { white-space: pre-wrap; overflow-wrap: anywhere }
pre .k { font-weight: 650 } pre .s { color: var(--good) } pre .c { color: var(--quiet); font-style: italic } pre .n { color: var(--accent) }
pre .add, pre .del { display: inline-block; min-width: 100% }
pre .add { background: var(--goodtint); color: var(--good) } pre .del { background: var(--badtint); color: var(--bad) } pre .hunk { color: var(--quiet) }
.call, .thought, .fold { margin: .35rem 0; font-size: .9rem }
.call > summary, .thought > summary, .fold > summary { cursor: pointer; display: flex; gap: .6rem; align-items: baseline; padding: .16rem .5rem; margin-left: -.5rem; border-radius: 5px; list-style: none; min-width: 0 }
.call > summary::-webkit-details-marker, .thought > summary::-webkit-details-marker, .fold > summary::-webkit-details-marker { display: none }
.call > summary::before, .thought > summary::before, .fold > summary::before { content: "▸"; color: var(--quiet); font-size: .8em; flex: none; width: .8em }
.call[open] > summary::before, .thought[open] > summary::before, .fold[open] > summary::before { content: "▾" }
.call > summary:hover, .thought > summary:hover, .fold > summary:hover { background: var(--raised) }
.call .tool { font-weight: 600; flex: none } 
.call .given, .thought .given, .fold .given { color: var(--quiet); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; min-width: 0; flex: 1 1 auto }
.call .state { margin-left: auto; color: var(--quiet); font-size: .82rem; white-space: nowrap; flex: none }
.call .state.bad { color: var(--bad); font-weight: 600 }
.call > div, .thought > div, .fold > div { padding: .1rem 0 .4rem 1.1rem; border-left: 2px solid var(--line); margin-left: .1rem }
.call h4 { font-size: .8rem; font-weight: 500; color: var(--quiet); margin: .5rem 0 .1rem }
.thought > summary { color: var(--quiet) } .thought .words { font-size: .95rem; color: var(--quiet) }
.cut { border-top: 2px dashed var(--strong); margin: 1.6rem 0; padding-top: .5rem; font-size: .9rem; color: var(--quiet) }
.sub { border: 1px solid var(--line); border-radius: 6px; padding: .35rem .8rem; margin: .8rem 0 }
.slider { display: flex; gap: .6rem; align-items: center } .slider input { flex: 1; min-width: 0; padding: 0 }
.two { display: grid; grid-template-columns: 1fr; gap: 1.5rem } @media (min-width: 60rem) { .two { grid-template-columns: 1fr 1fr } }
.board { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(13rem, 1fr); gap: 1.2rem; overflow-x: auto }
.dictionary details { margin: .15rem 0 } .dictionary dl { margin: .3rem 0 .6rem 1rem } .dictionary dd { margin: 0 0 .25rem 1rem; color: var(--quiet) }
.board h2 { margin: 0 0 .5rem; font-size: .92rem } .board h2 a { color: inherit; text-decoration: none } .board h2, .board h3 { margin-top: 0; border-bottom: 2px solid var(--strong); padding-bottom: .25rem; display: flex; justify-content: space-between; gap: .5rem }
.live { color: var(--good); font-weight: 600; font-size: .82rem }
.editor textarea { width: 100%; font: .9rem/1.5 var(--mono); min-height: 8rem; resize: vertical }
.cells { font-family: var(--mono); font-size: .82rem } .cells td { white-space: nowrap; max-width: 30rem; overflow: hidden; text-overflow: ellipsis }

dialog { border: 1px solid var(--strong); border-radius: 8px; background: var(--ground); color: var(--text); padding: 0; width: min(34rem, 92vw); margin-top: 12vh; box-shadow: 0 8px 40px #0004 }
dialog::backdrop { background: #0005 }
dialog input { width: 100%; border: 0; border-bottom: 1px solid var(--line); border-radius: 8px 8px 0 0; padding: .75rem 1rem; font-size: 1.05rem; outline-offset: -2px }
dialog ul { list-style: none; margin: 0; padding: .35rem; max-height: 50vh; overflow-y: auto }
dialog li a { display: flex; gap: 1rem; justify-content: space-between; padding: .35rem .65rem; border-radius: 5px; color: var(--text); text-decoration: none }
dialog li a:hover, dialog li a[aria-selected=true] { background: var(--tint) }
dialog .keys { padding: .8rem 1.1rem; display: grid; grid-template-columns: auto 1fr; gap: .35rem 1rem; margin: 0 } dialog .keys dt { text-align: right } dialog .keys dd { margin: 0 }
td.number + td.nowrap, th.number + th:not(.number, .lesser) { padding-left: .7rem }
@media (max-width: 68rem) { .room { display: none } .clip { max-width: 15rem } th, td, td.number, th.number { padding-right: .7rem } }
@media (max-width: 60rem) { .clip { max-width: 12rem } }
@media (max-width: 40rem) {
  main { padding: 1rem .9rem 3rem } .bar { padding: .45rem .9rem } .bar form { flex: 1 1 8rem }
  .bar nav { order: 3; flex-basis: 100% }
  .call > summary, .thought > summary, .fold > summary { display: grid; grid-template-columns: .8em minmax(0, 1fr) auto; gap: 0 .6rem; overflow-wrap: anywhere } .call .given, .thought .given, .fold .given { order: 1; grid-column: 2 / -1 } .message > header .push { margin-left: 0 }
  .about .push { margin-left: 0 } .now { grid-template-columns: 1fr 1fr; gap: .5rem 1rem }
}
@media print { .bar, .outline, footer, .pages { display: none } pre { max-height: none } }
`;
