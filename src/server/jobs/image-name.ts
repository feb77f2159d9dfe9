const DEFAULT_REGISTRY = 'docker.io'
const HOST = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/
const COMPONENT = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^\w[\w.-]{0,127}$/
const DIGEST = /^sha256:[0-9a-f]{64}$/

/**
 * The one full name of an image: `busybox` and `docker.io/library/busybox:latest` are the same, and a policy about one must hold for
 * the other. `registry/repository:tag`, or with a digest `registry/repository@sha256:…` (the engine ignores a tag beside it), or
 * `sha256:…` for an image that is named by its id. Null for what is no reference by Docker's grammar: no `..`, no empty part, no
 * character that means something in Vault's paths.
 */
export function fullImageName(ref: string): string | null {
  const id = ref.replace(/^sha256:/, '')
  if (/^[0-9a-f]{64}$/.test(id)) return `sha256:${id}`
  const [named = '', digest, ...more] = ref.split('@')
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return null
  const slash = named.lastIndexOf('/')
  const colon = named.indexOf(':', slash + 1)
  const path = colon < 0 ? named : named.slice(0, colon)
  const tag = colon < 0 ? 'latest' : named.slice(colon + 1)
  const [first = '', ...rest] = path.split('/')
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const host = hasHost ? first.toLowerCase().replace(/^index\.docker\.io$/, DEFAULT_REGISTRY) : DEFAULT_REGISTRY
  const parts = hasHost ? rest : [first, ...rest]
  if (host === DEFAULT_REGISTRY && parts.length === 1) parts.unshift('library')
  if (!HOST.test(host) || !parts.every(part => COMPONENT.test(part)) || !TAG.test(tag)) return null
  return `${[host, ...parts].join('/')}${digest === undefined ? `:${tag}` : `@${digest}`}`
}
