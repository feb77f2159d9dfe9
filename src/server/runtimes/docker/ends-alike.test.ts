import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import { EngineProxy } from '../../../../test/engine-proxy.ts'
import { dockerRuntime } from './docker-runtime.ts'
import { repeats } from './ends-alike.ts'

const docker = new DockerFixture()

test.each([
  ['', true],
  ['a', false],
  ['aa', true],
  ['abab', true],
  ['ababa', true],
  ['line 1\nline 2\nline 3\n', false],
  ['y\n'.repeat(1_000), true],
  [`x${'y\n'.repeat(1_000)}`, false],
])('%j repeats itself: %s', (text, is) => {
  expect(repeats(Buffer.from(text))).toBe(is)
})

/** 20,000 lines (200 kB) at once, and after a moment, in which the connection is cut, some more. */
const MUCH = 'awk \'BEGIN { for (i = 1; i <= 20000; i++) printf "%09d\\n", i }\''

test.each([
  ['lines that differ', `${MUCH}; sleep 1; echo the end`, 'the end\n'],
  ['an end without a newline', `${MUCH}; sleep 1; printf end`, 'end'],
  ['the same line again and again', 'yes | head -c 200000; sleep 1; yes | head -c 1000', 'y\n'],
  ['the other stream', `${MUCH}; sleep 1; echo oops >&2`, ''],
])(
  'a connection that ends as if it were the end, just before it: nothing is missing (%s)',
  async (_what, script, end) => {
    const proxy = await new EngineProxy().open()
    const runtime = dockerRuntime({ host: proxy.host, patienceMs: 5_000 })
    try {
      const { id, name } = await docker.create(['sh', '-c', script])
      const attachment = await runtime.start(id, NO_SECRETS)
      const done = finished(attachment)
      await sleep(600)
      expect(proxy.endCleanly(/\/attach\?/)).toBe(1)
      const got = await done
      const copy = await finished(await docker.runtime.attach(name, { stdout: 0, stderr: 0 }))
      expect(got.stdout.equals(copy.stdout)).toBe(true)
      expect(got.stdout.toString().endsWith(end)).toBe(true)
      expect(got.stderr.equals(copy.stderr)).toBe(true)
      expect(got.stdout.length).toBeGreaterThan(199_999)
    } finally {
      await runtime.close()
      await proxy.close()
    }
  },
)
