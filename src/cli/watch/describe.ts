import { createHash, X509Certificate } from 'node:crypto'
import { printable } from '../printable.ts'
import type { FetchesAnswer, PlanAnswer, StandingAnswer } from './plan-answer.ts'

/** "2 of 3, waiting for …" */
export function describeStanding({ required, signers, missing, refused, unusable }: StandingAnswer): string {
  if (required === 0) return 'none required'
  const names = signers.map(signer => signer.name)
  const by = names.length > 0 ? ` by ${names.join(', ')}` : ''
  const left = required - signers.length
  const waiting =
    left <= 0
      ? ''
      : missing.length > 0
        ? `, waiting for ${left} of: ${missing.join(', ')}`
        : ', and nobody else can sign'
  const notes = [
    ...refused.map(one => `; a signature of the ${one.where} does not count: ${one.why}`),
    ...unusable.map(one => `; the key of ${one.name} cannot be used: ${one.why}`),
  ]
  return printable(`${names.length} of ${required}${by}${waiting}${notes.join('')}`)
}

const MOST_FILES = 50

/**
 * A plan for people: all of it, since they sign all of it. The message and the names of files are somebody else's text, and so is
 * the rest to whoever did not write it.
 */
export function describePlan({ plan, digest, base, changed, message, fetches, standing }: PlanAnswer): string {
  const files = changed.slice(0, MOST_FILES).map(file => `  ${file.change.padEnd(12)} ${file.path}`)
  const more = changed.length > MOST_FILES ? [`  and ${changed.length - MOST_FILES} more`] : []
  const lines = [
    `watch       ${plan.watch}`,
    `commit      ${plan.commit}  (${plan.repository} ${plan.branch})`,
    `            ${message.split('\n')[0] ?? ''}`,
    `image       ${plan.image}`,
    ...titled('commands', plan.commands),
    ...(plan.kubernetes ? titled('kubernetes', describeKubernetes(plan.kubernetes)) : []),
    ...titled('requests', plan.requests.flatMap(describeRequest)),
    ...(plan.vault ? titled('vault', describeVault(plan.vault)) : []),
    `changes     ${changed.length} files since ${base || 'the beginning'}`,
    ...files,
    ...more,
    ...(fetches ? describeFetches(fetches) : []),
    `signatures  ${describeStanding(standing)}`,
    `digest      ${digest}`,
  ]
  // here, and not for each value: whatever is beside the plan is not checked by its digest, and could redraw the lines above it
  return lines.map(line => `${visible(line)}\n`).join('')
}

function describeFetches({ submodules, lfs, refused }: FetchesAnswer): string[] {
  return [
    ...titled(
      'submodules',
      submodules.map(({ path, url, id }) => `${path}  ${id}  (${url})`),
    ),
    ...(lfs ? titled('lfs', [`${lfs.files} files, ${lfs.bytes} bytes`]) : []),
    ...(refused ? [`will not run ${refused}`] : []),
  ]
}

function titled(title: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `${(index === 0 ? title : '').padEnd(12)}${line}`)
}

function describeRequest({ name, method, path, wrap_ttl, options }: PlanAnswer['plan']['requests'][number]): string[] {
  const body = Object.keys(options).length > 0 ? [`  with ${JSON.stringify(options)}`] : []
  return [`${name}: ${method} ${path}, wrapped for ${wrap_ttl} s`, ...body]
}

/** A line of the template is a line here. */
function describeKubernetes({ namespace, template, vaults }: NonNullable<PlanAnswer['plan']['kubernetes']>): string[] {
  return [
    `a Job in the namespace ${namespace}, of this template:`,
    ...template.split('\n').map(line => `  ${line}`),
    ...vaults.flatMap(({ name, url, vault_cacert }) => [
      `with a token of the Vault ${name} at ${url},`,
      `  ${vault_cacert === '' ? 'no CA of its own' : `CA ${describeCa(vault_cacert)}`}`,
    ]),
  ]
}

function describeVault(vault: NonNullable<PlanAnswer['plan']['vault']>): string[] {
  const { address, tls_server_name, cacert, approle_mount_point, role, role_id } = vault
  return [
    `${address} as ${role} (${role_id}) of auth/${approle_mount_point}`,
    `server name ${tls_server_name}, ${cacert === '' ? 'no CA of its own' : `CA ${describeCa(cacert)}`}`,
  ]
}

/** Subject and fingerprint of each certificate, and of the text as a whole, of which nothing may be left out. */
function describeCa(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const names = blocks.map(block => {
    try {
      const { subject, fingerprint256 } = new X509Certificate(block)
      return `${subject} ${fingerprint256}`
    } catch {
      return 'an unreadable certificate'
    }
  })
  const whole = createHash('sha256').update(pem).digest('hex')
  return [...names, `(text ${whole})`].join(', ')
}

/** Nothing that moves the cursor, ends a line or turns the direction of the text: what is shown is to be what is there. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, char => `\\u{${char.codePointAt(0)?.toString(16)}}`)
}
