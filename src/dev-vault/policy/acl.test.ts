import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Acl } from './acl.ts'
import { CAPABILITIES, type Capability, parsePolicy } from './rule.ts'

const acl = (...policies: string[]) => new Acl(policies.flatMap(parsePolicy))
const can = (path: string, capabilities: string) => `path "${path}" { capabilities = [${capabilities}] }`

describe('the most specific path', () => {
  it('adds up over policies, and deny wins only at the same path', () => {
    const both = acl(can('a/*', '"read"'), can('a/*', '"list"') + can('b/*', '"deny"') + can('b/c', '"update"'))
    expect(both.capabilities('a/x')).toEqual(['list', 'read'])
    expect(both.capabilities('b/x')).toEqual(['deny'])
    expect(both.capabilities('b/c')).toEqual(['update'])
    expect(acl(can('a', '"read"'), can('a', '"deny"'), can('a', '"list"')).capabilities('a')).toEqual(['deny'])
  })

  it('is the glob when its first wildcard comes later than the plus', () => {
    expect(acl(can('a/+/c', '"read"') + can('a/b/*', '"list"')).capabilities('a/b/c')).toEqual(['list'])
    expect(acl(can('a/+/c', '"read"') + can('a/*', '"list"')).capabilities('a/b/c')).toEqual(['read'])
  })

  it('is, of two that differ in nothing else, the one that sorts last', () => {
    expect(acl(can('+/+/c', '"read"') + can('+/b/+', '"list"')).capabilities('a/b/c')).toEqual(['list'])
  })

  it('is root for root', () => expect(new Acl([], true).capabilities('any')).toEqual(['root']))
})

/** The rules of specificity again, as a table of paths that fit, sorted: slow, and written without looking at the other. */
function plainModel(rules: ReadonlyMap<string, readonly Capability[]>, path: string): string[] {
  const exact = rules.get(path) ?? rules.get(path.replace(/\/$/, ''))
  const found = exact && !isPattern(rules.has(path) ? path : path.replace(/\/$/, '')) ? exact : best()
  return found?.length ? [...found].sort() : ['deny']

  function best() {
    const fitting = [...rules.keys()].filter(rule => isPattern(rule) && expression(rule).test(path))
    const rank = (rule: string) => [
      rule.search(/(?<=^|\/)\+(?=$|\/)|\+(?=\/)|\*$/),
      rule.endsWith('*') ? 0 : 1,
      -(rule.match(/\+/g)?.length ?? 0),
      rule.replace(/\*$/, '').length,
    ]
    fitting.sort((a, b) => {
      const [x, y] = [rank(a), rank(b)]
      const differs = x.findIndex((value, i) => value !== y[i])
      return differs >= 0 ? (y[differs] as number) - (x[differs] as number) : a > b ? -1 : 1
    })
    return rules.get(fitting[0] ?? '')
  }
}
const isPattern = (rule: string) => rule.endsWith('*') || rule.split('/').includes('+')
const expression = (rule: string) =>
  new RegExp(
    `^${rule
      .replace(/\*$/, '')
      .split('/')
      .map(part => (part === '+' ? '[^/]*' : part))
      .join('/')}${rule.endsWith('*') ? '.*' : ''}$`,
  )

describe('against a plain model', () => {
  const part = fc.constantFrom('a', 'b', 'ab')
  const rulePath = fc
    .tuple(
      fc.array(fc.oneof(part, fc.constant('+')), { minLength: 1, maxLength: 4 }),
      fc.constantFrom('', '*', '/*', '/', 'a*'),
    )
    .map(([parts, end]) => parts.join('/') + end)
    .filter(path => !path.includes('+*') && !/\+a/.test(path))
  const path = fc
    .tuple(fc.array(part, { minLength: 1, maxLength: 5 }), fc.constantFrom('', '/'))
    .map(([parts, end]) => parts.join('/') + end)
  const capabilities = fc.uniqueArray(fc.constantFrom(...CAPABILITIES.filter(one => one !== 'deny')), { minLength: 1 })

  it('finds the same capabilities', () => {
    fc.assert(
      fc.property(fc.dictionary(rulePath, capabilities, { maxKeys: 8 }), path, (rules, asked) => {
        const text = Object.entries(rules).map(([rule, list]) => can(rule, list.map(one => `"${one}"`).join()))
        expect(acl(text.join('\n')).capabilities(asked)).toEqual(plainModel(new Map(Object.entries(rules)), asked))
      }),
      { numRuns: 3000 },
    )
  })
})
