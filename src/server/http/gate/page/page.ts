import type { StatusBody } from '../status.ts'
import { type Html, html } from './html.ts'
import { METHODS } from './methods.ts'
import { isGood, type Said, textOf } from './said.ts'
import { STYLE } from './style.ts'

/** What came of the form that was sent before; `tried` is the method of an unseal, as the address says it. */
export interface Sent {
  readonly said: Said | null
  readonly tried: string
}

/** The whole page. Without script: each method is a form of its own, folded. */
export function page(status: StatusBody, { said, tried }: Sent): string {
  const sealed = !status.unsealed
  const style = { text: `<style>${STYLE}</style>` }
  const top = html`<title>writ gate: ${status.phase}</title>`
  const body = html`<main><h1>writ gate</h1>
${said ? html`<p class="said ${isGood(said) ? 'good' : 'bad'}" role="${isGood(said) ? 'status' : 'alert'}">${textOf(said)}</p>` : null}
${state(status)}
${counters(status)}
${facts(status)}
${sealed ? unsealForms(tried) : administration()}</main>`
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${top.text}${style.text}</head><body>${body.text}</body></html>`
}

const WORDS = { sealed: 'Sealed', unsealed: 'Unsealed', degraded: 'Degraded' } as const

function state({ phase, reason, next, problem, legacy_admin }: StatusBody): Html {
  const then = next ? html`<p>Next: ${next.what} at ${moment(next.at)}.</p>` : null
  const waits = phase === 'sealed' && !next ? html`<p>Nobody gets a token until somebody unseals it.</p>` : null
  return html`<section class="state ${phase}" aria-label="State"><strong>${WORDS[phase]}</strong><p>${sentence(reason)}</p>${then}${waits}
${problem ? html`<p class="warning">No tokens are issued: ${problem}</p>` : null}
${legacy_admin ? html`<p class="warning">Anybody may seal this gate and reload its policies (WRIT_GATE_LEGACY_ADMIN).</p>` : null}</section>`
}

/** Without a script nothing knows the reader's zone. */
function moment(at: string): Html {
  return html`<time datetime="${at}">${at.slice(11, 19)} UTC</time>`
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

function counters({ stats, alarms }: StatusBody): Html {
  const faults = stats.failed > 0 ? html`<dd class="more">${stats.failed} not by the task's fault</dd>` : null
  return html`<dl class="counters"><div><dt>Token requests</dt><dd>${stats.requests}</dd></div>
<div><dt>Successful</dt><dd>${stats.successful}</dd></div>
<div><dt>Denied</dt><dd>${stats.denied}</dd>${faults}</div>
<div class="${alarms > 0 ? 'alarmed' : 'quiet'}"><dt>Alarms</dt><dd>${alarms}</dd></div></dl>`
}

function facts({ policies, provider, uptime, version }: StatusBody): Html {
  const rows: [string, string | number | Html][] = [
    ['Policies', policies],
    ['Schedulers', provider],
    // as `/status.json` says it, without what is below a second
    ['Uptime', uptime.endsWith('ms') ? '0s' : uptime.replace(/\.\d+s$/, 's')],
    ['Version', version],
    ['As of', moment(new Date().toISOString())],
  ]
  return html`<dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`
}

function unsealForms(tried: string): Html {
  const opened = METHODS.find(({ type, also }) => type === tried || also === tried) ?? METHODS[0]
  const forms = METHODS.map(
    method => html`<details name="method" ${method === opened ? html`open` : null}><summary>${method.label}</summary>
<form method="post" action="/unseal"><input type="hidden" name="auth_type" value="${method.type}">
${method.fields.map(field)}<button>Unseal</button></form></details>`,
  )
  return html`<h2>Unseal</h2>${forms}`
}

function administration(): Html {
  const form = (action: string, label: string, does: string, kind: string) => html`<details><summary>${label}</summary>
<form method="post" action="${action}"><p>${does}</p>
${field({ name: 'vault_token', label: 'Vault token with update on writ/gate', secret: true, optional: true })}
<button class="${kind}">${label}</button></form></details>`
  return html`<h2>Administration</h2>
${form('/policies/reload', 'Reload policies', 'Reads them again from Vault. If they are no good, the old ones stay.', 'usual')}
${form('/seal', 'Seal', 'From then on nobody gets a token, until somebody unseals the gate with a credential.', 'grave')}`
}

function field(of: (typeof METHODS)[number]['fields'][number]): Html {
  const { name, label, value = '', choices, secret, optional } = of
  if (choices) {
    const options = choices.map(choice => html`<option value="${choice}">${choice || 'none'}</option>`)
    return html`<label>${label}<select name="${name}">${options}</select></label>`
  }
  const type = secret ? 'password' : 'text'
  const required = optional ? null : html`required`
  return html`<label>${label}<input type="${type}" name="${name}" value="${value}" autocomplete="off" spellcheck="false" ${required}></label>`
}
