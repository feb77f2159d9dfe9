import type { StatusBody } from '../status.ts'
import { type Html, html } from './html.ts'
import { METHODS } from './methods.ts'
import { isGood, type Said, textOf } from './said.ts'
import { STYLE } from './style.ts'

/** The whole page. Without script: each method is a form of its own, folded. */
export function page(status: StatusBody, said: Said | null): string {
  const sealed = !status.unsealed
  const style = { text: `<style>${STYLE}</style>` }
  const top = html`<title>writ gate: ${status.phase}</title>`
  const body = html`<h1>writ gate</h1>
${said ? html`<p class="said ${isGood(said) ? 'good' : 'bad'}" role="status">${textOf(said)}</p>` : null}
${state(status)}
${facts(status)}
${sealed ? unsealForms() : administration()}`
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${top.text}${style.text}</head><body>${body.text}</body></html>`
}

const WORDS = { sealed: 'Sealed', unsealed: 'Unsealed', degraded: 'Degraded' } as const

function state({ phase, reason, next, problem, legacy_admin }: StatusBody): Html {
  const then = next ? html`<p>Next: ${next.what}, ${next.at}.</p>` : null
  const waits = phase === 'sealed' && !next ? html`<p>Nobody gets a token until somebody unseals it.</p>` : null
  return html`<section class="state ${phase}"><strong>${WORDS[phase]}</strong><p>${reason}</p>${then}${waits}
${problem ? html`<p class="warning">No tokens are issued: ${problem}</p>` : null}
${legacy_admin ? html`<p class="warning">Anybody may seal this gate and reload its policies (WRIT_GATE_LEGACY_ADMIN).</p>` : null}</section>`
}

function facts({ stats, policies, alarms, provider, uptime, version }: StatusBody): Html {
  const rows: [string, string | number][] = [
    ['Token requests', stats.requests],
    ['Successful', stats.successful],
    ['Denied', stats.denied],
    ['of them failed', stats.failed],
    ['Alarms', alarms],
    ['Policies', policies],
    ['Schedulers', provider],
    ['Uptime', uptime],
    ['Version', version],
  ]
  return html`<dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`
}

function unsealForms(): Html {
  const forms = METHODS.map(
    (
      { type, label, fields },
      n,
    ) => html`<details name="method" ${n === 0 ? html`open` : null}><summary>${label}</summary>
<form method="post" action="/unseal"><input type="hidden" name="auth_type" value="${type}">
${fields.map(field)}<button>Unseal</button></form></details>`,
  )
  return html`<h2>Unseal</h2>${forms}`
}

function administration(): Html {
  const form = (action: string, label: string) => html`<details><summary>${label}</summary>
<form method="post" action="${action}">${field({ name: 'vault_token', label: 'Vault token with update on writ/gate', secret: true, optional: true })}
<button>${label}</button></form></details>`
  return html`<h2>Administration</h2>${form('/policies/reload', 'Reload policies')}${form('/seal', 'Seal')}`
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
