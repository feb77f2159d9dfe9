import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { extract } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { secretTar, shellExports } from './gate.ts'

const SECRETS = { files: { 'secrets.yml': Buffer.from('s') }, env: { A: 'b' } }
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
  tar.end(await secretTar(SECRETS))
  const names: string[] = []
  const read = async () => {
    for await (const entry of tar) {
      names.push(entry.header.name)
      entry.resume()
    }
  }
  // what comes behind it is none
  await expect(read()).rejects.toThrow('Invalid tar header')
  expect(names).toEqual(['secrets.yml', '.environment', '.complete'])
})

describe.each([
  { tar: ['/bin/busybox', 'tar'], waits: false },
  { tar: ['/bin/tar'], waits: true },
])('$tar', ({ tar: [program = '', ...args], waits }) => {
  test(`unpacks it, and ${waits ? 'waits' : 'does not wait'} for the end of its input`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'writ-gate-'))
    try {
      const tar = spawn(program, [...args, '-x', '-f', '-', '-C', folder], { stdio: ['pipe', 'ignore', 'ignore'] })
      const ended = once(tar, 'exit')
      tar.stdin.write(await secretTar(SECRETS))
      if (waits) tar.stdin.end()
      await ended
      expect((await readdir(folder)).sort()).toEqual(['.complete', '.environment', 'secrets.yml'])
      expect(await readFile(join(folder, 'secrets.yml'), 'utf8')).toBe('s')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

test('refuses more than fits into the memory that is set aside', async () => {
  const files = { big: Buffer.alloc(5 * 1024 * 1024) }
  await expect(secretTar({ files, env: {} })).rejects.toMatchObject({ code: 'container_refused' })
})
