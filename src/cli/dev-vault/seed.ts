import { LineCounter, parseDocument } from 'yaml'
import { type Entry, SeedNode } from './seed-node.ts'
import { type Mount as KvMount, secretWrite, versionOf } from './seed-secrets.ts'

/** A write to Vault's API that a seed asks for, and the line of the file that does. */
export interface SeedWrite {
  readonly line: number
  readonly path: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface SeedProblem {
  readonly line: number
  readonly text: string
}

/** What a seed file says, in the order in which it is written; and all that is wrong with it, not only the first thing. */
export interface Seed {
  readonly writes: readonly SeedWrite[]
  readonly problems: readonly SeedProblem[]
}

type Section = (root: SeedNode, mounts: KvMount[]) => SeedWrite[]

/** In this order they are written: each may need those before it. */
const SECTIONS: Readonly<Record<string, Section>> = { mounts, auth, policies, secrets, roles, writes }

/** Reads a seed (docs/dev-vault.md has its schema). Never throws: what is wrong is a problem, with its line. */
export function readSeed(text: string): Seed {
  const lines = new LineCounter()
  // Pretty errors quote the line, and that line may be a password.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const problems: SeedProblem[] = []
  const root = SeedNode.of(document, lines, (line, problem) => problems.push({ line, text: problem }))
  if (document.errors.length > 0) {
    for (const error of document.errors) {
      problems.push({ line: lines.linePos(error.pos[0]).line, text: error.message })
    }
    return { writes: [], problems }
  }
  const found = root.isNull() ? [] : root.entries(Object.keys(SECTIONS))
  const kvMounts: KvMount[] = [{ path: 'secret/', version: '2' }]
  const writes = Object.entries(SECTIONS).flatMap(([name, section]) => {
    const entry = found.find(({ key }) => key === name)
    return entry && !entry.node.isNull() ? section(entry.node, kvMounts) : []
  })
  return { writes, problems: problems.sort((a, b) => a.line - b.line) }
}

function mounts(root: SeedNode, kv: KvMount[]): SeedWrite[] {
  return root.items().flatMap(item => {
    const mount = mountOf(item)
    if (!mount) return []
    const version = versionOf(mount.data)
    if (version) kv.push({ path: `${mount.path}/`, version })
    return [{ line: item.line, path: `sys/mounts/${mount.path}`, data: mount.data }]
  })
}

function auth(root: SeedNode): SeedWrite[] {
  return root.items().flatMap(item => {
    const mount = mountOf(item)
    return mount ? [{ line: item.line, path: `sys/auth/${mount.path}`, data: mount.data }] : []
  })
}

/** Of a mount: its path and the body that makes it. A method or engine that is mounted at its own name needs no path. */
function mountOf(item: SeedNode): { path: string; data: Record<string, unknown> } | undefined {
  const fields = new Map(
    item.entries(['path', 'type', 'description', 'options', 'config']).map(entry => [entry.key, entry]),
  )
  const type = fields.get('type')?.node.text()
  if (!fields.has('type')) item.problem('a type is missing')
  if (type === undefined) return undefined
  const path = fields.has('path') ? fields.get('path')?.node.path() : type
  const more = [...fields.values()].filter(({ key }) => key !== 'path')
  return path === undefined
    ? undefined
    : { path, data: Object.fromEntries(more.map(({ key, node }) => [key, node.value()])) }
}

function policies(root: SeedNode): SeedWrite[] {
  return root.entries().flatMap(({ key, node, line }) => {
    const policy = node.text()
    return policy === undefined ? [] : [{ line, path: `sys/policies/acl/${key}`, data: { policy } }]
  })
}

function secrets(root: SeedNode, kv: KvMount[]): SeedWrite[] {
  return root.entries().flatMap(({ key, node, line }) => {
    const data = node.object()
    const write = secretWrite(key, data ?? {}, kv)
    if (!write) node.problem(`${key}: no kv engine is mounted there`, line)
    return data && write ? [{ line, ...write }] : []
  })
}

function roles(root: SeedNode): SeedWrite[] {
  return root.entries().flatMap(entry => {
    const [, method, name] = /^(.+)\/([^/]+)$/.exec(entry.key) ?? []
    if (!method) entry.node.problem(`${entry.key}: is not METHOD/NAME, as in approle/app`, entry.line)
    return method ? writeAt(entry, `auth/${method}/role/${name}`) : []
  })
}

function writes(root: SeedNode): SeedWrite[] {
  return root.items().flatMap(item => {
    const entries = item.entries(['path', 'data'])
    const path = entries.find(({ key }) => key === 'path')
    if (!path) item.problem('a path is missing')
    const at = path?.node.path()
    const data = entries.find(({ key }) => key === 'data')
    if (at === undefined) return []
    return data ? writeAt(data, at, item.line) : [{ line: item.line, path: at, data: {} }]
  })
}

function writeAt({ node, line }: Entry, path: string, at = line): SeedWrite[] {
  const data = node.object()
  return data ? [{ line: at, path, data }] : []
}
