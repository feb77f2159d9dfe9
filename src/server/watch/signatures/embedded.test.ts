import { describe, expect, test } from 'vitest'
import { NotASignature } from './armor.ts'
import { embeddedInCommit, embeddedInTag } from './embedded.ts'

const ID = 'a'.repeat(40)
const PERSON = 'a <a@example.com> 1700000000 +0000'
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----\n\naGVsbG8=\n-----END PGP SIGNATURE-----'

describe('a commit', () => {
  const HEADER = `tree ${ID}\nauthor ${PERSON}\ncommitter ${PERSON}\n`
  const GPGSIG = `gpgsig ${SIGNATURE.replaceAll('\n', '\n ')}\n`
  const read = (text: string) => embeddedInCommit(Buffer.from(text))

  test('its signature is over everything else', () => {
    const { signature, payload } = read(`${HEADER}${GPGSIG}encoding x\n y\n\ngpgsig z\n`) ?? {}
    expect(signature).toBe(SIGNATURE)
    expect(payload?.toString()).toBe(`${HEADER}encoding x\n y\n\ngpgsig z\n`)
  })

  test('none', () => {
    expect(read(`${HEADER}\ngpgsig z\n`)).toBe(undefined)
    expect(read(`${HEADER}GPGSIG z\n\nx\n`)).toBe(undefined)
  })

  test.each(['x', '\t', '-'])('by itself, in a header whose name goes on with %j', more => {
    expect(() => read(`${HEADER}${GPGSIG.replace('gpgsig ', `gpgsig${more}`)}\nx\n`)).toThrow(NotASignature)
  })

  // git leaves each of these out of what it verifies, so anything could be in them
  test.each(['gpgsig x', 'gpgsig-sha256 x', 'gpgsigx anything\n at all', 'gpgsig', 'gpgsig\tx'])(
    'besides it, a header %j that nobody has signed',
    other => {
      expect(() => read(`${HEADER}${GPGSIG}${other}\n\nx\n`)).toThrow('several signatures in one commit')
      expect(() => read(`${HEADER}${other}\n${GPGSIG}\nx\n`)).toThrow('several signatures in one commit')
    },
  )
})

describe('a tag', () => {
  const HEADER = `object ${ID}\ntype commit\ntag v1\ntagger ${PERSON}\n`
  const read = (text: string) => embeddedInTag(Buffer.from(text))

  test('its signature is over all before it', () => {
    expect(read(`${HEADER}\nv1\n${SIGNATURE}\n`)).toEqual({
      signature: `${SIGNATURE}\n`,
      payload: Buffer.from(`${HEADER}\nv1\n`),
    })
  })

  test('of several, the last: the others are text that it is over', () => {
    const text = `${HEADER}\nas in\n${SIGNATURE}\n`
    expect(read(`${text}${SIGNATURE}\n`)).toEqual({ signature: `${SIGNATURE}\n`, payload: Buffer.from(text) })
  })

  test('none', () => {
    expect(read(`${HEADER}\nv1\n`)).toBe(undefined)
    expect(read(`${HEADER}\nv1 ${SIGNATURE}\n`)).toBe(undefined)
    expect(read(`${HEADER}\nv1\n${SIGNATURE.replaceAll('PGP SIGNATURE', 'SIGNED MESSAGE')}\n`)).toBe(undefined)
  })

  test('one that begins among its headers is none', () => {
    expect(read(`${HEADER}${SIGNATURE}\n`)).toBe(undefined)
  })

  test.each(['gpgsig', 'gpgsig-sha256'])('one in a header %s', name => {
    const header = `${name} ${SIGNATURE.replaceAll('\n', '\n ')}\n`
    expect(() => read(`${HEADER}${header}\nv1\n${SIGNATURE}\n`)).toThrow('a signature in the header of a tag')
    expect(() => read(`${HEADER}${header}`)).toThrow('a signature in the header of a tag')
    expect(read(`${HEADER}\n${name} x\n${SIGNATURE}\n`)).toBeDefined()
  })
})
