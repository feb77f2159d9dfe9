import { X509Certificate } from 'node:crypto'
import type { WatchOptions } from '../store/watch-schema.ts'
import { type Fields, refused } from './fields.ts'
import { parseAddress } from './repository/address.ts'
import { originOf } from './repository/submodules/submodule-address.ts'

const DEFAULT_OPTIONS: WatchOptions = {
  mode: 'tip',
  max_attempts: 3,
  require_signed_plan: false,
  git_ca: '',
  git_proxy: '',
  ssh_known_hosts: '',
  unpinned_image: false,
  submodules: 'refuse',
  submodule_hosts: [],
  lfs: 'pointers',
}

/** The options of a watch, with the defaults of those that were never set. */
export function optionsOf(stored: Partial<WatchOptions>): WatchOptions {
  return { ...DEFAULT_OPTIONS, ...stored }
}

/** Reads `configure/options`; what is left out keeps its value. Throws `watch_field_invalid`. */
export function readOptions(fields: Fields, before: WatchOptions): WatchOptions {
  const mode = fields.text('mode', before.mode)
  if (mode !== 'tip' && mode !== 'every') throw refused('"mode" must be tip or every')
  const submodules = fields.text('submodules', before.submodules) || DEFAULT_OPTIONS.submodules
  if (submodules !== 'refuse' && submodules !== 'empty' && submodules !== 'fetch')
    throw refused('"submodules" must be refuse, empty or fetch')
  const lfs = fields.text('lfs', before.lfs) || DEFAULT_OPTIONS.lfs
  if (lfs !== 'pointers' && lfs !== 'fetch') throw refused('"lfs" must be pointers or fetch')
  const git_ca = fields.text('git_ca', before.git_ca)
  if (git_ca !== '' && !isCertificates(git_ca)) throw refused('"git_ca" is not PEM of certificates')
  const git_proxy = fields.text('git_proxy', before.git_proxy)
  const proxy = git_proxy === '' ? undefined : URL.parse(git_proxy)
  if (proxy === null || (proxy && !['http:', 'https:', 'socks5:', 'socks5h:'].includes(proxy.protocol)))
    throw refused('"git_proxy" is not the URL of an http, https or socks5 proxy')
  if (proxy?.password) throw refused('"git_proxy" holds a password: it would be readable')
  return {
    mode,
    max_attempts: fields.integer('max_attempts', before.max_attempts, { min: 1, max: 1000 }),
    require_signed_plan: fields.flag('require_signed_plan', before.require_signed_plan),
    git_ca,
    git_proxy,
    ssh_known_hosts: fields.text('ssh_known_hosts', before.ssh_known_hosts),
    unpinned_image: fields.flag('unpinned_image', before.unpinned_image),
    submodules,
    submodule_hosts: fields.has('submodule_hosts')
      ? fields.list('submodule_hosts').map(serverOf)
      : before.submodule_hosts,
    lfs,
  }
}

/** `host[:port]` is https. No ssh: that asks nobody without a key, and the key of the watch is for its own server. */
function serverOf(text: string): string {
  const server = text.includes('://') ? text : `https://${text}`
  try {
    const address = parseAddress(`${server.replace(/\/$/, '')}/x`, ['https', 'http'])
    if (address.url === `${address.protocol}://${address.host}/x`) return originOf(address)
  } catch {
    // said below
  }
  throw refused('"submodule_hosts" holds what is neither host[:port] nor https://host[:port]')
}

function isCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    for (const block of blocks) new X509Certificate(block)
    return blocks.length > 0
  } catch {
    return false
  }
}
