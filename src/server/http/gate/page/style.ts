/** One style sheet inside the page: it works without a network, and its hash is in the policy. */
export const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#59636e, #9198a1); --edge: light-dark(#848d97, #6e7681);
  --back: light-dark(#f6f8fa, #151b23); --good: light-dark(#1a7f37, #3fb950); --bad: light-dark(#b42318, #ff7b72);
  --warn: light-dark(#9a6700, #d29922); --act: light-dark(#0550ae, #1f6feb); }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 44rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 1.25rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
.state { border: 1px solid var(--line); border-left: .4rem solid var(--tone); border-radius: .4rem; background: var(--back);
  padding: .9rem 1.1rem; }
.state strong { color: var(--tone); font-size: 1.15rem; }
.state p { margin: .25rem 0 0; overflow-wrap: anywhere; }
.sealed { --tone: var(--bad); } .unsealed { --tone: var(--good); } .degraded { --tone: var(--warn); }
.said { border-radius: .4rem; border: 1px solid currentColor; padding: .6rem 1.1rem; margin: 0 0 1rem; }
.said.good { color: var(--good); } .said.bad { color: var(--bad); } .warning { color: var(--warn); }
dl { display: grid; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.counters { grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .6rem; }
.counters div { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .9rem .6rem; }
.counters dt { font-size: .85rem; } .counters dd { font-size: 1.35rem; line-height: 1.2; }
.counters .more { font-size: .85rem; color: var(--warn); } .alarmed dd { color: var(--bad); font-weight: 600; }
.facts { grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; font-size: .9rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .55rem 1rem; }
form { display: grid; gap: .75rem; padding: .35rem 1rem 1rem; }
form p { margin: 0; }
label { display: grid; gap: .2rem; color: var(--soft); font-size: .9rem; }
input, select { font: inherit; padding: .45rem .6rem; border: 1px solid var(--edge); border-radius: .35rem; width: 100%;
  background: Canvas; color: CanvasText; }
button { font: inherit; justify-self: start; padding: .45rem 1.1rem; border: 0; border-radius: .35rem; background: var(--act);
  color: #fff; cursor: pointer; }
button.grave { background: light-dark(#b42318, #da3633); }
:focus-visible { outline: 2px solid var(--act); outline-offset: 2px; }
`
