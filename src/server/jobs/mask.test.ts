import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cpuTime } from '../../../test/cpu-time.ts'
import { createMasker } from './mask.ts'
import { formsOf } from './mask-forms.ts'

type Secrets = { name: string; value: string }[]

const named = (...values: string[]): Secrets => values.map((value, index) => ({ name: `s${index}`, value }))
const bytes = (text: string) => Buffer.from(text, 'latin1')
const text = (...parts: Uint8Array[]) => Buffer.concat(parts).toString('latin1')

function mask(secrets: Secrets, ...chunks: string[]): string {
  const masker = createMasker(secrets)
  return text(...chunks.map(chunk => masker.push(Buffer.from(chunk))), masker.end())
}

/** The same by looking for each form at each position of the whole text. */
function reference(secrets: Secrets, input: string): string {
  const forms = secrets.filter(({ value }) => Buffer.byteLength(value) >= 4 && value.trim() !== '')
  const masked = new Array(input.length).fill(false)
  const joined = new Array(input.length).fill(false) // is in the same occurrence as the byte before
  for (const form of forms.flatMap(({ value }) => formsOf(value, 4))) {
    const wanted = Buffer.from(form).toString('latin1')
    for (let at = input.indexOf(wanted); at !== -1; at = input.indexOf(wanted, at + 1)) {
      masked.fill(true, at, at + wanted.length)
      joined.fill(true, at + 1, at + wanted.length)
    }
  }
  return Array.from(input, (char, at) => (masked[at] ? (joined[at] ? '' : '***') : char)).join('')
}

describe('what is masked', () => {
  test.each<[string, string[], string, string]>([
    ['every occurrence', ['hunter22'], 'a hunter22 b hunter22', 'a *** b ***'],
    ['two in a row', ['hunter22'], 'hunter22hunter22', '******'],
    ['characters of a regular expression', ['a.*(b)+$'], 'aXXb a.*(b)+$', 'aXXb ***'],
    ['a value that is the beginning of another', ['abcd', 'abcdef'], 'abcdefg abcdeg', '***g ***eg'],
    ['a value inside another', ['cdef', 'abcdefgh'], 'abcdefgh abcdefgX', '*** ab***gX'],
    ['values that overlap: nothing of either is left', ['abcdef', 'defghi'], '-abcdefghi-', '-***-'],
    ['a value that overlaps itself', ['abab'], 'xababababy', 'x***y'],
    ['a value with the mask in it', ['se***cret'], 'my se***cret', 'my ***'],
    ['a value that is the mask and more', ['****'], 'a **** b *** c', 'a *** b *** c'],
    ['in JSON', ['a"b\\c\td'], JSON.stringify({ key: 'a"b\\c\td' }), '{"key":"***"}'],
    ['in JSON as Go writes it', ['p<&>q'], '{"key":"p\\u003c\\u0026\\u003eq"}', '{"key":"***"}'],
    ['in JSON as Python writes it', ['pässwörd'], '{"key":"p\\u00e4ssw\\u00f6rd"}', '{"key":"***"}'],
    ['in a URL', ['p@ss/w rd?'], `http://u:${encodeURIComponent('p@ss/w rd?')}@h`, 'http://u:***@h'],
    ['in a URL with small letters', ['p@ss/w rd?'], 'x=p%40ss%2fw%20rd%3f', 'x=***'],
    ['in a form', ['p@ss w(rd)'], String(new URLSearchParams({ x: 'p@ss w(rd)' })), 'x=***'],
    ['as URL-safe base64', ['??>>??>>'], Buffer.from('??>>??>>').toString('base64url'), '***'],
    ['line by line', ['first line\n  second line\r\nend\n'], '> second line <\n> first line <', '> *** <\n> *** <'],
    ['without the line end of the file', ['hunter22\n'], 'password hunter22.', 'password ***.'],
  ])('%s', (_name, values, input, output) => {
    expect(mask(named(...values), input)).toBe(output)
  })

  test.each([0, 1, 2, 3, 4, 5])(
    'in base64 after %i bytes of something else, but for the bits that are shared',
    before => {
      const value = 'correct horse battery'
      const encoded = Buffer.from(`${'x'.repeat(before)}${value}yyyy`).toString('base64')
      const output = mask(named(value), encoded)
      expect(output).toMatch(/^[^*]*\*\*\*[^*]*$/)
      const left = Buffer.from(output.split('***')[1] ?? '', 'base64').length
      expect(output.indexOf('***')).toBeLessThanOrEqual(Math.ceil((before * 8) / 6))
      expect(left).toBeLessThanOrEqual(5)
    },
  )

  test('at the end of base64 to the last character', () => {
    for (const value of ['hunter22', 'hunter222', 'hunter2222']) {
      expect(mask(named(value), `${Buffer.from(value).toString('base64')}\n`)).toBe('***\n')
      expect(mask(named(value), `${Buffer.from(`user:${value}`).toString('base64')}\n`)).toMatch(/^\w{1,8}\*\*\*\n$/)
    }
  })

  test.each([64, 76])('in base64 that is broken at %i characters', width => {
    const value = 'a long secret value, '.repeat(20)
    const encoded = Buffer.from(value).toString('base64')
    const broken = encoded.replace(new RegExp(`.{${width}}`, 'g'), '$&\r\n')
    expect(mask(named(value), broken)).toMatch(/^(\*\*\*(\r\n)?)+$/)
  })

  test('a private key, whole or in part', () => {
    const lines = Array.from({ length: 20 }, (_, n) => Buffer.alloc(48, n + 65).toString('base64'))
    const key = `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
    expect(mask(named(key), `key: ${key}.`)).toBe('key: ***.')
    expect(mask(named(key), `head -3:\n${key.split('\n').slice(0, 3).join('\n')}\n`)).toBe('head -3:\n***\n***\n***\n')
  })

  test('bytes that are no text stay as they are', () => {
    const masker = createMasker(named('hunter22'))
    const input = Buffer.concat([Buffer.from([0, 0xff, 0xc3]), Buffer.from('hunter22'), Buffer.from([0x80, 0xfe])])
    expect([...masker.push(input), ...masker.end()]).toEqual([0, 0xff, 0xc3, 42, 42, 42, 0x80, 0xfe])
  })
})

describe('what is not masked', () => {
  test('a value under 4 bytes, which is reported', () => {
    const secrets = [...named('abc', 'hunter22', '', '\n \t \n'), { name: 'two', value: 'é' }]
    expect(createMasker(secrets).unmaskable).toEqual(['s0', 's2', 's3', 'two'])
    expect(mask(secrets, 'abc é hunter22    ')).toBe(Buffer.from('abc é ***    ').toString('latin1'))
  })

  test('anything, when there is no secret', () => {
    const masker = createMasker([])
    const chunk = bytes('some output')
    expect(masker.push(chunk)).toEqual(chunk)
    expect(masker.pendingBytes).toBe(0)
    expect(masker.end()).toHaveLength(0)
  })
})

describe('the stream', () => {
  test('holds back only what may begin a secret', () => {
    const masker = createMasker(named('hunter22'))
    expect(text(masker.push(bytes('say hunt')))).toBe('say ')
    expect(masker.pendingBytes).toBe(4)
    expect(text(masker.push(bytes('ing')))).toBe('hunting')
    expect(masker.pendingBytes).toBe(0)
    expect(text(masker.push(bytes(' hunter2')))).toBe(' ')
    expect(text(masker.push(bytes('2')))).toBe('***')
    expect(text(masker.push(bytes(' hun')), masker.end())).toBe(' hun')
    expect(masker.pendingBytes).toBe(0)
    expect(masker.counts).toEqual({ s0: 1 })
  })

  test('keeps nothing of the chunk that the caller may overwrite', () => {
    const masker = createMasker(named('hunter22'))
    const chunk = bytes('hunt')
    masker.push(chunk)
    chunk.fill(0)
    expect(text(masker.push(bytes('x')))).toBe('huntx')
  })

  test('a run of overlapping occurrences holds no memory', () => {
    const masker = createMasker(named('----'))
    for (let round = 0; round < 100; round++) expect(masker.push(Buffer.alloc(1000, '-'))).toHaveLength(0)
    expect(masker.pendingBytes).toBe(100_000)
    expect(text(masker.push(bytes('.')))).toBe('***.')
  })

  test('counts by name, also names like those of Object', () => {
    const secrets = [
      { name: '__proto__', value: 'first-secret' },
      { name: 'same', value: 'first-secret' },
      { name: 'never', value: 'never-shown' },
    ]
    const masker = createMasker(secrets)
    masker.push(bytes('first-secret first-secret '))
    expect(Object.entries(masker.counts)).toEqual([
      ['__proto__', 2],
      ['same', 2],
      ['never', 0],
    ])
  })

  test('time does not depend on how nearly the text is a secret', () => {
    const secrets = named(`${'a'.repeat(5000)}b`, 'aaaac')
    const masker = createMasker(secrets)
    const spent = cpuTime(() => {
      for (let round = 0; round < 32; round++) masker.push(Buffer.alloc(65_536, 'a'))
    })
    // 2 MB times 5000 would take minutes
    expect(spent).toBeLessThan(5_000)
  })

  test("as many and as large secrets as a job may have take neither the node's time nor its memory", () => {
    const large = (n: number) => String.fromCodePoint(0xe0 + n).repeat(30_000)
    const secrets = named('hunter22', ...Array.from({ length: 64 }, (_, n) => large(n)))
    let masker = createMasker(named())
    const before = process.memoryUsage().arrayBuffers
    const spent = cpuTime(() => {
      masker = createMasker(secrets)
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(600_000_000)
    expect(spent).toBeLessThan(5_000)
    // the small ones in all their forms, the large ones as they are
    const shown = [masker, masker.another()].map(one => {
      return text(one.push(Buffer.from(`${Buffer.from('hunter22').toString('base64')} ${large(63)}.`)), one.end())
    })
    expect(shown).toEqual(['*** ***.', '*** ***.'])
  })

  test.each(['\n', '\r\n', '\n\r'])('a value of many line ends %j is read once', end => {
    const value = `key${end.repeat(200_000)}x`
    // from each of them to the next text would take a minute
    expect(cpuTime(() => createMasker(named(value)))).toBeLessThan(5_000)
    expect(mask(named(`hunter22${end}`), 'hunter22 hunter22.')).toBe('*** ***.')
  })
})

describe('properties', () => {
  const letters = fc.constantFrom(...'aab"\n')
  const secretList = fc
    .array(fc.string({ unit: letters, minLength: 0, maxLength: 7 }), { minLength: 1, maxLength: 4 })
    .map(values => named(...values))
  /** Text out of pieces of the secrets, so that they occur, nearly occur and overlap. */
  const scene = secretList.chain(secrets => {
    const forms = secrets.flatMap(({ value }) => formsOf(value, 1)).map(form => Buffer.from(form).toString('latin1'))
    const form = forms.length ? fc.constantFrom(...forms) : fc.constant('')
    const part = fc.tuple(form, fc.nat(8), fc.nat(8)).map(([whole, from, length]) => whole.slice(from, from + length))
    const piece = fc.oneof(form, part, fc.string({ unit: letters, maxLength: 6 }))
    return fc.record({
      secrets: fc.constant(secrets),
      input: fc.array(piece, { maxLength: 30 }).map(pieces => pieces.join('')),
      cuts: fc.array(fc.nat(200), { maxLength: 12 }),
    })
  })

  const chunksOf = (input: string, cuts: number[]) => {
    const sorted = [0, ...cuts.filter(cut => cut < input.length).sort((a, b) => a - b), input.length]
    return sorted.slice(1).map((cut, index) => input.slice(sorted[index], cut))
  }

  test('the output is that of a naive search in the whole, however it is cut', () => {
    fc.assert(
      fc.property(scene, ({ secrets, input, cuts }) => {
        const masker = createMasker(secrets)
        const output = text(...chunksOf(input, cuts).map(chunk => masker.push(bytes(chunk))), masker.end())
        expect(output).toBe(reference(secrets, input))
      }),
      { numRuns: 3000 },
    )
  })

  test('a new masker goes on where an earlier one had decided', () => {
    fc.assert(
      fc.property(scene, ({ secrets, input, cuts }) => {
        const whole = reference(secrets, input)
        const masker = createMasker(secrets)
        let given = ''
        let taken = 0
        for (const chunk of chunksOf(input, cuts)) {
          given += text(masker.push(bytes(chunk)))
          taken += chunk.length
          const decided = taken - masker.pendingBytes
          const next = createMasker(secrets)
          expect(given + text(next.push(bytes(input.slice(decided))), next.end())).toBe(whole)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('each mask is counted once', () => {
    fc.assert(
      fc.property(scene, ({ secrets, input }) => {
        const once = [...new Map(secrets.map(secret => [secret.value, secret])).values()]
        const masker = createMasker(once.slice(0, 1))
        const output = text(masker.push(bytes(input)), masker.end())
        expect(Object.values(masker.counts)).toEqual([output.split('***').length - 1])
      }),
    )
  })
})
