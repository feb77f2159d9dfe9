import { posix } from 'node:path'

/** Each file of `src` (paths from there) and the files it imports. */
export type Graph = ReadonlyMap<string, readonly string[]>

/** Who may import whom: a folder, or a single file. What is not named here may import nothing, and nothing may import it. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  'list-verb': [],
  vault: [],
  protocol: ['vault/secret.ts'],
  client: ['protocol', 'vault'],
  ui: ['client'],
  server: ['protocol', 'vault', 'list-verb'],
  'dev-vault': ['list-verb'], // nothing that speaks with Vault: it must not share our mistakes
  cli: ['server', 'client', 'dev-vault', 'protocol', 'vault'],
}

const GROUND = ['store', 'audit']
const MIDDLE = ['identity', 'runtimes', ...GROUND]

/** The floors of the server: each may use those below it. */
export const SERVER: Readonly<Record<string, readonly string[]>> = {
  'main.ts': [
    'config.ts',
    'gate-main.ts',
    'gate-config.ts',
    'log.ts',
    'opened.ts',
    'http',
    'watch',
    'gate',
    'jobs',
    ...MIDDLE,
  ],
  'config.ts': ['config-values.ts', 'kubernetes-settings.ts', 'http', 'watch', 'gate', 'jobs', ...MIDDLE],
  'kubernetes-settings.ts': ['config-values.ts'],
  'config-values.ts': ['watch', ...MIDDLE],
  'gate-main.ts': [
    'gate-config.ts',
    'gate-database.ts',
    'gate-schedulers.ts',
    'gate-socket.ts',
    'opened.ts',
    'http',
    'gate',
    'jobs',
    ...MIDDLE,
  ],
  'gate-database.ts': ['config.ts', 'gate-config.ts', 'opened.ts', ...MIDDLE],
  'gate-socket.ts': ['config.ts'],
  'gate-schedulers.ts': ['config.ts', 'gate-config.ts', 'gate', 'jobs', ...MIDDLE],
  'gate-config.ts': ['config.ts', 'config-values.ts', 'gate-settings.ts', 'gate-version.ts', 'http', 'gate', ...MIDDLE],
  'gate-settings.ts': ['config-values.ts', 'gate-values.ts'],
  'gate-values.ts': ['config-values.ts'],
  'gate-version.ts': [],
  'log.ts': [],
  'opened.ts': [],
  http: ['watch', 'gate', 'jobs', ...MIDDLE],
  watch: ['jobs', ...MIDDLE],
  gate: ['jobs', ...MIDDLE],
  jobs: MIDDLE,
  identity: GROUND,
  runtimes: GROUND,
  audit: ['store'],
  store: [],
}

/** The files that a TypeScript text imports, statically or not, for their types or their values; packages left out. */
export function importsOf(file: string, text: string): string[] {
  const specifiers = text.matchAll(/\bfrom\s*['"](\.[^'"]+)['"]|\bimport\s*\(?\s*['"](\.[^'"]+)['"]/g)
  return [...specifiers].map(([, from, bare]) => posix.join(posix.dirname(file), (from ?? bare) as string))
}

const isTest = (file: string) => /\.test\.tsx?$/.test(file)
const within = (file: string, part: string) => file === part || file.startsWith(`${part}/`)
const partOf = (file: string) => file.split('/')[0] as string

/** What breaks the tables, in words. Tests may import what they like; nothing may import a test. */
export function violations(graph: Graph): string[] {
  const found: string[] = []
  for (const [file, imports] of graph) {
    if (isTest(file)) continue
    if (!(partOf(file) in FOLDERS)) found.push(`${file} is in no known folder of src`)
    const inServer = within(file, 'server') ? file.slice('server/'.length) : undefined
    if (inServer && !(partOf(inServer) in SERVER)) found.push(`${file} is on no known floor of the server`)
    for (const target of imports) if (!mayImport(file, target)) found.push(`${file} must not import ${target}`)
  }
  return found
}

function mayImport(file: string, target: string): boolean {
  if (isTest(target) || target.startsWith('..')) return false
  const part = partOf(file)
  if (!within(target, part)) return (FOLDERS[part] ?? []).some(allowed => within(target, allowed))
  if (part !== 'server') return true
  const [floor, other] = [file, target].map(path => partOf(path.slice('server/'.length))) as [string, string]
  return floor === other || (SERVER[floor] ?? []).includes(other)
}

/** The first circle of imports, as the files on it; undefined when there is none. */
export function circle(graph: Graph): string[] | undefined {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const next of graph.get(file) ?? []) {
      const found = visit(next)
      if (found) return found
    }
    path.pop()
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const found = visit(file)
    if (found) return found
  }
  return undefined
}
