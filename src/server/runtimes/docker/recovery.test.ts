import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS, withoutGaps } from '../../../../test/docker-fixture.ts'
import { EngineProxy } from '../../../../test/engine-proxy.ts'
import { dockerRuntime } from './docker-runtime.ts'
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

/** Whether the recovery copy is exact too. */
const OUTPUTS: [string, Buffer, boolean?][] = [
  ['short lines of UTF-8', Buffer.from(lines(2_000)), true],
  ['an unterminated last line', Buffer.from(`${lines(50)}the end, ünterminated`), true],
  ['a line of 40 KB', Buffer.from(`before\n${'ä€🙂x'.repeat(4_096)}\nafter\n`)],
  ['a line of 16,384 bytes', Buffer.from(`${'x'.repeat(16_384)}\n${'y'.repeat(16_383)}\n`)],
  ['a character across the end of a record', Buffer.from(`${'x'.repeat(16_382)}€€€\n${lines(3)}`)],
  ['random bytes', randomBytes(60_000)],
  ['random bytes without a newline', Buffer.from(randomBytes(50_000).map(byte => (byte === 10 ? 11 : byte)))],
  ['half a character at the end', Buffer.from([0x41, 0xe2, 0x82])],
]

describe.each(OUTPUTS)('%s', (_, bytes, exactCopy = false) => {
  test('is exact live, and recovered from any position on, with U+FFFD for what is not UTF-8', async () => {
    const { name, attachment } = await writer(bytes, 'cat /bytes; echo done >&2; head -c 20000 /bytes >&2')
    const live = await finished(attachment)
    expect(live.exit.code).toBe(0)
    expect(live.stdout.equals(bytes)).toBe(true)
    expect(live.stderr.equals(Buffer.concat([Buffer.from('done\n'), bytes.subarray(0, 20_000)]))).toBe(true)
    const copy = await finished(await runtime.attach(name, { stdout: 0, stderr: 0 }))
    expect(copy.exit).toEqual(live.exit)
    expect(copy.cursor).toEqual(live.cursor)
    if (exactCopy) expect(copy.stdout.equals(bytes)).toBe(true)
    for (let round = 0; round < 3; round++) {
      // the first is the end; the others anywhere, also inside of a character
      const at = (length: number) => (round === 0 ? length : Math.floor(Math.random() * length))
      const cursor = { stdout: at(copy.stdout.length), stderr: at(copy.stderr.length) }
      const rest = await finished(await runtime.attach(name, cursor))
      expect(rest.stdout.equals(copy.stdout.subarray(cursor.stdout))).toBe(true)
      expect(rest.stderr.equals(copy.stderr.subarray(cursor.stderr))).toBe(true)
    }
  })
})

test('a connection that is lost in the middle of random bytes: exact up to there, then the copy, at the very position', async () => {
  const bytes = randomBytes(400_000)
  const proxy = await new EngineProxy().open()
  const behind = dockerRuntime({ host: proxy.host, patienceMs: 5_000 })
  try {
    const tar = await smallTar([{ name: 'bytes', mode: 0o444, data: bytes }])
    async function* content() {
      yield tar
    }
    const script =
      'i=0; while [ $i -lt 20 ]; do tail -c +$((i*20000+1)) /bytes | head -c 20000; i=$((i+1)); sleep 0.05; done'
    const { id, name } = await docker.create(['sh', '-c', script], { content })
    const attachment = await behind.start(id, NO_SECRETS)
    const timer = setTimeout(() => proxy.cut(), 500)
    const got: Uint8Array[] = []
    let exact = 0
    let position = 0
    for await (const { data, advance } of withoutGaps(attachment.output)) {
      got.push(data)
      if (Buffer.concat(got).equals(bytes.subarray(0, exact + data.length))) exact += data.length
      position += advance?.(data.length) ?? data.length
    }
    clearTimeout(timer)
    const copy = await finished(await runtime.attach(name, { stdout: 0, stderr: 0 }))
    expect(exact).toBeGreaterThan(20_000)
    expect(exact).toBeLessThan(bytes.length)
    expect(position).toBe(copy.stdout.length)
    const rest = Buffer.concat(got).subarray(exact)
    expect(copy.stdout.subarray(-rest.length).equals(rest)).toBe(true)
  } finally {
    await behind.close()
    await proxy.close()
  }
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
  for await (const { data } of withoutGaps(first.output)) {
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
