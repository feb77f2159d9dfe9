import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { circle, type Graph, importsOf, SERVER, violations } from '../test/import-rules.ts'

const LONGEST = 400

const src = import.meta.dirname
const codeIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.(tsx?|mjs)$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
const files = codeIn(src)
const texts = new Map(files.map(file => [relative(src, file), readFileSync(file, 'utf8')]))

describe('the sources', () => {
  const graph: Graph = new Map([...texts].map(([file, text]) => [file, importsOf(file, text)]))

  test('are all read', () => {
    expect(graph.get('vault/secret.test.ts')).toEqual(['vault/secret.ts'])
    expect([...graph.values()].flat().length).toBeGreaterThan(files.length)
  })

  test('keep to the floors of docs/architecture.md', () => {
    expect(violations(graph)).toEqual([])
  })

  test('import nothing in a circle', () => {
    expect(circle(graph)).toBeUndefined()
  })

  test(`are files of less than ${LONGEST} lines, as all others of the project are`, () => {
    const folders = ['bench', 'chaos', 'demo', 'e2e', 'scripts', 'src', 'test']
    const all = folders.flatMap(folder => codeIn(join(import.meta.dirname, '..', folder)))
    expect(all.length).toBeGreaterThan(files.length)
    expect(all.filter(file => readFileSync(file, 'utf8').split('\n').length > LONGEST)).toEqual([])
  })
})

describe('the rules', () => {
  const graph = (...edges: [from: string, to: string][]): Graph =>
    new Map(edges.map(([from]) => [from, edges.filter(edge => edge[0] === from).map(edge => edge[1])]))

  test.each<[string, string]>([
    ['client/a.ts', 'server/b.ts'],
    ['client/a.ts', 'ui/b.ts'],
    ['server/main.ts', 'client/b.ts'],
    ['server/main.ts', 'cli/b.ts'],
    ['server/jobs/a.ts', 'dev-vault/b.ts'],
    ['dev-vault/a.ts', 'vault/secret.ts'],
    ['dev-vault/a.ts', 'protocol/b.ts'],
    ['vault/a.ts', 'protocol/b.ts'],
    ['protocol/a.ts', 'vault/client.ts'],
    ['ui/a.tsx', 'server/b.ts'],
    ['cli/a.ts', 'ui/b.ts'],
    ['server/store/a.ts', 'server/audit/b.ts'],
    ['server/audit/a.ts', 'server/identity/b.ts'],
    ['server/identity/a.ts', 'server/runtimes/b.ts'],
    ['server/runtimes/docker/a.ts', 'server/jobs/b.ts'],
    ['server/jobs/a.ts', 'server/watch/b.ts'],
    ['server/jobs/a.ts', 'server/gate/b.ts'],
    ['server/watch/a.ts', 'server/gate/b.ts'],
    ['server/gate/a.ts', 'server/http/b.ts'],
    ['server/http/a.ts', 'server/main.ts'],
    ['server/jobs/a.ts', 'server/config.ts'],
    ['server/jobs/a.ts', 'server/jobs/b.test.ts'],
    ['server/jobs/a.ts', '../test/database.ts'],
    ['vault/a.ts', 'vault-of-somebody/b.ts'],
  ])('%s must not import %s', (from, to) => {
    expect(violations(graph([from, to]))).toEqual([`${from} must not import ${to}`])
  })

  test.each<[string, string]>([
    ['ui/a.tsx', 'client/b.ts'],
    ['client/a.ts', 'vault/b.ts'],
    ['protocol/a.ts', 'vault/secret.ts'],
    ['cli/a.ts', 'dev-vault/b.ts'],
    ['server/main.ts', 'server/store/b.ts'],
    ['server/http/a.ts', 'server/audit/b.ts'],
    ['server/watch/a.ts', 'server/jobs/b.ts'],
    ['server/audit/a.ts', 'server/store/b.ts'],
    ['server/jobs/a.ts', 'server/jobs/b.ts'],
    ['server/jobs/a.test.ts', 'dev-vault/b.ts'],
  ])('%s may import %s', (from, to) => {
    expect(violations(graph([from, to]))).toEqual([])
  })

  test('a folder or a floor that nobody has named is refused', () => {
    expect(violations(new Map([['helpers/a.ts', []]]))).toEqual(['helpers/a.ts is in no known folder of src'])
    expect(violations(new Map([['a.ts', []]]))).toEqual(['a.ts is in no known folder of src'])
    const utils = violations(new Map([['server/utils/a.ts', []]]))
    expect(utils).toEqual(['server/utils/a.ts is on no known floor of the server'])
  })

  test('the table of the floors has no circle itself', () => {
    const table = new Map(Object.entries(SERVER))
    expect(circle(table)).toBeUndefined()
  })

  test('a circle is found, and shown from its first file to the same', () => {
    const round = graph(['x', 'a'], ['a', 'b'], ['b', 'c'], ['c', 'a'])
    expect(circle(round)).toEqual(['a', 'b', 'c', 'a'])
    expect(circle(graph(['a', 'a']))).toEqual(['a', 'a'])
    expect(circle(graph(['a', 'b'], ['a', 'c'], ['b', 'd'], ['c', 'd']))).toBeUndefined()
  })

  test.each([
    ["import { a } from './b.ts'"],
    ["import type { A } from './b.ts'"],
    ["import {\n  a,\n  b,\n} from './b.ts'"],
    ["import './b.ts'"],
    ["export * from './b.ts'"],
    ["export { a } from './b.ts'"],
    ["const b = await import('./b.ts')"],
    ["const b = import(\n  './b.ts'\n)"],
    ["type B = typeof import('./b.ts')"],
    ['import { a } from "./b.ts"'],
  ])('%j is seen', text => {
    expect(importsOf('x/a.ts', text)).toEqual(['x/b.ts'])
  })

  test('packages are not looked at, and ways up are followed', () => {
    const text = "import pg from 'pg'\nimport { b } from '../../c/b.ts'\nimport { d } from 'node:fs'"
    expect(importsOf('x/y/a.ts', text)).toEqual(['c/b.ts'])
    expect(importsOf('x/a.ts', "import '../../test/b.ts'")).toEqual(['../test/b.ts'])
  })
})
