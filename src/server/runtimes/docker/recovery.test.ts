import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import { smallTar } from './small-tar.ts'

const docker = new DockerFixture()
const { runtime } = docker

/** A job that writes these bytes, delivered as content so that they are exact, and some lines to the other stream. */
async function writer(bytes: Buffer, script: string) {
  const tar = await smallTar([{ name: 'bytes', mode: 0o444, data: bytes }])
  async function* content() {
    yield tar
  }
  return docker.start(['sh', '-c', script], NO_SECRETS, { content })
}

const lines = (count: number) =>
  Array.from({ length: count }, (_, i) => `${i}: grüße €${'x'.repeat(i % 90)}\n`).join('')

const OUTPUTS: [string, Buffer][] = [
  ['short lines of UTF-8', Buffer.from(lines(2_000))],
  ['an unterminated last line', Buffer.from(`${lines(50)}the end, ünterminated`)],
  ['a line of 40 KB', Buffer.from(`before\n${'ä€🙂x'.repeat(4_096)}\nafter\n`)],
  ['a line of 16,384 bytes', Buffer.from(`${'x'.repeat(16_384)}\n${'y'.repeat(16_383)}\n`)],
  ['a character across the end of a record', Buffer.from(`${'x'.repeat(16_382)}€€€\n${lines(3)}`)],
  ['random bytes', randomBytes(60_000)],
  ['random bytes without a newline', Buffer.from(randomBytes(50_000).map(byte => (byte === 10 ? 11 : byte)))],
  ['half a character at the end', Buffer.from([0x41, 0xe2, 0x82])],
]

describe.each(OUTPUTS)('%s', (_, bytes) => {
  test('is the same live and recovered, from any position on', async () => {
    const { name, attachment } = await writer(bytes, 'cat /bytes; echo done >&2; head -c 20000 /bytes >&2')
    const live = await finished(attachment)
    expect(live.exit.code).toBe(0)
    expect(live.stdout.toString()).toBe(
      bytes.toString().length === bytes.length ? bytes.toString() : live.stdout.toString(),
    )
    for (let round = 0; round < 4; round++) {
      // The first two are the ends; the others anywhere, also inside of a character.
      const at = (length: number) => [0, length][round] ?? Math.floor(Math.random() * length)
      const cursor = { stdout: at(live.stdout.length), stderr: at(live.stderr.length) }
      const rest = await finished(await runtime.attach(name, cursor))
      expect(rest.stdout.equals(live.stdout.subarray(cursor.stdout))).toBe(true)
      expect(rest.stderr.equals(live.stderr.subarray(cursor.stderr))).toBe(true)
      expect(rest.exit).toEqual(live.exit)
    }
  })
})

test('valid text arrives live as the job wrote it', async () => {
  const bytes = Buffer.from(`${lines(5_000)}${'ä'.repeat(8_192)}\nthe end`)
  const { attachment } = await writer(bytes, 'cat /bytes')
  expect((await finished(attachment)).stdout.equals(bytes)).toBe(true)
})

test('a running job is followed to its unterminated end', async () => {
  const script = 'for i in 1 2 3 4 5 6; do echo "line $i"; sleep 0.2; done; printf end'
  const { id, name } = await docker.create(['sh', '-c', script])
  const dying = new AbortController()
  const first = await runtime.start(id, NO_SECRETS, dying.signal)
  let known = 0
  for await (const { data } of first.output) {
    known += data.length
    if (known >= 14) break
  }
  dying.abort()
  expect((await runtime.find(name))?.phase).toBe('running')
  const rest = await finished(await runtime.attach(name, { stdout: known, stderr: 0 }))
  const whole = `${[1, 2, 3, 4, 5, 6].map(i => `line ${i}\n`).join('')}end`
  expect(rest.stdout.toString()).toBe(whole.slice(known))
  expect(rest.exit.code).toBe(0)
})

test('a terminal is recovered too', async () => {
  const run = await docker.run('echo grüße; printf end', NO_SECRETS, { tty: true })
  expect(run.stdout.toString()).toBe('grüße\r\nend')
  const rest = await finished(await runtime.attach(run.name, { stdout: 3, stderr: 0 }))
  expect(rest.stdout.equals(run.stdout.subarray(3))).toBe(true)
})

test('what was never started cannot be attached to', async () => {
  const { name } = await docker.create(['true'])
  await expect(runtime.attach(name, { stdout: 0, stderr: 0 })).rejects.toMatchObject({ code: 'container_refused' })
})

test('what is gone is lost', async () => {
  await expect(runtime.attach('writ-test-none', { stdout: 0, stderr: 0 })).rejects.toMatchObject({
    code: 'container_lost',
  })
})
