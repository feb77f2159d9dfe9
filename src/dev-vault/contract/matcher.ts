/** Where and why a value is not what was expected. */
export interface Mismatch {
  readonly at: string
  readonly reason: string
}

type Json = Record<string, unknown>

/** No value at all; `null` is a value. */
export const ABSENT = Symbol('absent')

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: value => typeof value === 'string',
  int: value => Number.isInteger(value),
  number: value => typeof value === 'number',
  bool: value => typeof value === 'boolean',
  null: value => value === null,
  array: value => Array.isArray(value),
  object: isObject,
  uuid: text(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i),
  rfc3339: text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)$/),
  token: text(/^\S{8,}$/),
  accessor: text(/^\S{8,}$/),
  base64: text(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  hex: text(/^[0-9a-f]+$/i),
}

type Check = (value: unknown, wanted: unknown, at: string) => Mismatch[]

/** Matchers that look at the value as a whole. */
const WHOLE: Readonly<Record<string, Check>> = {
  $any: (value, _, at) => test(value !== ABSENT, at, 'nothing there'),
  $absent: (value, _, at) => test(value === ABSENT, at, 'is there'),
  $optional: (value, wanted, at) => (value === ABSENT ? [] : match(value, wanted, at)),
  $subset: (value, wanted, at) => matchObject(value, wanted as Json, at, false),
  $one_of: (value, wanted, at) =>
    test(
      list(wanted).some(one => match(value, one, at).length === 0),
      at,
      `${show(value)} is none of them`,
    ),
  $not: (value, wanted, at) => test(match(value, wanted, at).length > 0, at, `is ${show(wanted)}`),
  $set: (value, wanted, at) => [
    ...test(Array.isArray(value) && value.length === list(wanted).length, at, `${show(value)} has another length`),
    ...includes(value, wanted, at),
  ],
  $includes: includes,
  $excludes: (value, wanted, at) =>
    test(
      Array.isArray(value) && !list(wanted).some(one => value.some(item => match(item, one, at).length === 0)),
      at,
      `${show(value)} has one of ${show(wanted)}`,
    ),
}

/** Conditions that may stand beside each other. */
const CONDITIONS: Readonly<Record<string, Check>> = {
  $type: (value, wanted, at) =>
    test(TYPES[String(wanted)]?.(value) ?? false, at, `${show(value)} is no ${String(wanted)}`),
  $min: (value, wanted, at) => test((value as number) >= (wanted as number), at, `${show(value)} < ${show(wanted)}`),
  $max: (value, wanted, at) => test((value as number) <= (wanted as number), at, `${show(value)} > ${show(wanted)}`),
  $prefix: (value, wanted, at) =>
    ofText(value, at, found =>
      String(wanted)
        .split('|')
        .some(one => found.startsWith(one)),
    ),
  $suffix: (value, wanted, at) =>
    ofText(value, at, found =>
      String(wanted)
        .split('|')
        .some(one => found.endsWith(one)),
    ),
  $contains: (value, wanted, at) => ofText(value, at, found => list(wanted).every(one => found.includes(String(one)))),
  $regex: (value, wanted, at) => ofText(value, at, found => new RegExp(String(wanted)).test(found)),
  $len: (value, wanted, at) => test(lengthOf(value) === wanted, at, `${show(value)} is not ${show(wanted)} long`),
  $min_len: (value, wanted, at) => test(lengthOf(value) >= (wanted as number), at, `${show(value)} is too short`),
  $bytes: (value, wanted, at) => ofText(value, at, found => Buffer.from(found, 'base64').length === wanted),
  $items: (value, wanted, at) =>
    Array.isArray(value)
      ? value.flatMap((item, i) => match(item, wanted, `${at}/${i}`))
      : [{ at, reason: `${show(value)} is no array` }],
  $recorded: () => [],
}

/** Everything in which a value differs from what is expected of it; nothing when it matches. */
export function match(value: unknown, expected: unknown, at = ''): Mismatch[] {
  if (isObject(expected))
    return isMatcher(expected) ? matchSpecial(value, expected, at) : matchObject(value, expected, at, true)
  if (Array.isArray(expected)) return matchArray(value, expected, at)
  return test(Object.is(value, expected), at, `${show(value)} is not ${show(expected)}`)
}

/** The body of an answer against a whole `expect`: here "nothing" and "anything" are about the body itself. */
export function matchBody(body: unknown, expected: unknown): Mismatch[] {
  if (isObject(expected) && expected.$empty === true) return test(body === ABSENT, '', 'a body where none should be')
  if (isObject(expected) && expected.$any === true) return []
  // Later versions add it everywhere at the top; it is the one key that is always allowed.
  const tolerated = isObject(body) && !('mount_type' in (isObject(expected) ? expected : {}))
  return match(tolerated ? without(body, 'mount_type') : body, expected)
}

function matchSpecial(value: unknown, matcher: Json, at: string): Mismatch[] {
  const keys = Object.keys(matcher)
  const whole = keys.find(key => key in WHOLE)
  if (whole) return WHOLE[whole]?.(value, matcher[whole], at) ?? []
  return keys.flatMap(key => CONDITIONS[key]?.(value, matcher[key], at) ?? [{ at, reason: `unknown matcher ${key}` }])
}

function matchObject(value: unknown, expected: Json, at: string, exact: boolean): Mismatch[] {
  if (!isObject(value)) return [{ at, reason: `${show(value)} is no object` }]
  const wrong = Object.entries(expected).flatMap(([key, wanted]) =>
    match(Object.hasOwn(value, key) ? value[key] : ABSENT, wanted, `${at}/${key}`),
  )
  const more = exact ? Object.keys(value).filter(key => !Object.hasOwn(expected, key)) : []
  return [...wrong, ...more.map(key => ({ at: `${at}/${key}`, reason: 'is there and should not be' }))]
}

function matchArray(value: unknown, expected: readonly unknown[], at: string): Mismatch[] {
  if (!Array.isArray(value)) return [{ at, reason: `${show(value)} is no array` }]
  const length = test(value.length === expected.length, at, `${show(value)} is not ${show(expected)}`)
  return length.length > 0 ? length : expected.flatMap((wanted, i) => match(value[i], wanted, `${at}/${i}`))
}

function includes(value: unknown, wanted: unknown, at: string): Mismatch[] {
  if (!Array.isArray(value)) return [{ at, reason: `${show(value)} is no array` }]
  // Each expected item needs an item of its own.
  const left = [...value]
  return list(wanted).flatMap(one => {
    const found = left.findIndex(item => match(item, one, at).length === 0)
    if (found >= 0) left.splice(found, 1)
    return test(found >= 0, at, `${show(value)} lacks ${show(one)}`)
  })
}

function test(good: boolean, at: string, reason: string): Mismatch[] {
  return good ? [] : [{ at, reason }]
}

function ofText(value: unknown, at: string, good: (text: string) => boolean): Mismatch[] {
  return test(typeof value === 'string' && good(value), at, `${show(value)} is not such text`)
}

function isMatcher(expected: Json): boolean {
  return Object.keys(expected).some(key => key.startsWith('$'))
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

function text(pattern: RegExp) {
  return (value: unknown) => typeof value === 'string' && pattern.test(value)
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' || Array.isArray(value) ? value.length : Number.NaN
}

function without(value: Json, key: string): Json {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
}

function show(value: unknown): string {
  return value === ABSENT ? 'nothing' : (JSON.stringify(value)?.slice(0, 300) ?? String(value))
}
