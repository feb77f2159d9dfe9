import { dirname } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { DockerFixture, finished, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import { PlainContainers } from '../../../../test/plain-containers.ts'

const docker = new DockerFixture()
const plain = new PlainContainers()

/** Asked of the engine itself: what it has on its disk of this container's output. */
async function onDisk(id: string): Promise<number> {
  const { LogPath } = await docker.engine.json<{ LogPath: string }>('GET', `/containers/${id}/json`)
  const binds = [`${dirname(LogPath)}:/log:ro`]
  const counting = await plain.start(['sh', '-c', 'cat /log/*.log | wc -c'], { binds })
  await plain.wait(counting.id)
  const { body } = await plain.engine.stream('GET', `/containers/${counting.id}/logs`, { query: { stdout: 1 } })
  // behind the header of its frame
  return Number((await buffer(body)).subarray(8).toString())
}

test.each([
  ['empty lines', 'yes "" | head -20000; yes "" | head -5000 >&2'],
  ['lines of one letter', 'yes | head -20000'],
  ['lines of a hundred', `yes ${'x'.repeat(99)} | head -5000`],
  ['one line', 'head -c 1000000 /dev/zero | tr "\\0" x'],
  ['what JSON escapes', `yes '"\\<tag attribute="value">&amp;\t\r' | head -10000`],
  ['control characters', 'head -c 200000 /dev/zero'],
  ['text that is not English', 'yes "Überstürzt äße 人人" | head -10000'],
  ['bytes that are no text', 'head -c 300000 /dev/zero | tr "\\0" "\\377"'],
])('%s: as much as the engine has on its disk', async (_, script) => {
  const { id, attachment } = await docker.start(['sh', '-c', script], NO_SECRETS)
  const { cursor } = await finished(attachment)
  const real = await onDisk(id)
  const live = attachment.recorded?.() ?? 0
  expect(live / real).toBeGreaterThan(0.98)
  expect(live / real).toBeLessThan(1.02)
  // whoever takes over counts what was written before it came, too
  const again = await docker.runtime.attach(id, cursor)
  await finished(again)
  expect((again.recorded?.() ?? 0) / real).toBeGreaterThan(0.98)
  expect((again.recorded?.() ?? 0) / real).toBeLessThan(1.02)
})
