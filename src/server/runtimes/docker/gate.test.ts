import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { extract } from 'tar-stream'
import { expect, test } from 'vitest'
import { secretTar, shellExports } from './gate.ts'

const SHELLS = [['/bin/sh'], ['/bin/busybox', 'sh'], ['/bin/bash', '--norc', '--posix']]

test.each(SHELLS)('every value comes through %s unchanged', (shell, ...args) => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ unit: fc.constantFrom("'", '"', '\\', '\n', '$(id)', '`id`', '!', '\r', ' ', 'ä'), maxLength: 20 }),
  )
  fc.assert(
    fc.property(value, text => {
      const wanted = text.replaceAll('\0', '').toWellFormed()
      const script = `${shellExports({ VALUE: wanted })}exec printenv VALUE`
      const got = execFileSync(shell ?? '', [...args, '-c', script], { env: { PATH: process.env.PATH } })
      expect(got.toString()).toBe(`${wanted}\n`)
    }),
    { numRuns: 40 },
  )
})

test.each(['1A', 'A-B', 'A=B', '', 'A;id', 'A\nB'])('refuses the name %j', name => {
  expect(() => shellExports({ [name]: 'x' })).toThrow(expect.objectContaining({ code: 'env_var_invalid' }))
})

test('refuses a NUL, which no environment can hold', () => {
  expect(() => shellExports({ A: 'x\0y' })).toThrow(expect.objectContaining({ code: 'env_var_invalid' }))
})

test('the proof of completeness is the last file', async () => {
  const tar = extract()
  tar.end(await secretTar({ files: { 'secrets.yml': Buffer.from('s') }, env: { A: 'b' } }))
  const names: string[] = []
  for await (const entry of tar) {
    names.push(entry.header.name)
    entry.resume()
  }
  expect(names).toEqual(['secrets.yml', '.environment', '.complete'])
})

test('refuses more than fits into the memory that is set aside', async () => {
  const files = { big: Buffer.alloc(5 * 1024 * 1024) }
  await expect(secretTar({ files, env: {} })).rejects.toMatchObject({ code: 'container_refused' })
})
