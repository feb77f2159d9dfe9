import { randomBytes } from 'node:crypto'
import { createMasker } from '../src/server/jobs/mask.ts'
import { formsOf } from '../src/server/jobs/mask-forms.ts'

const CHUNK = 65_536
const MEGABYTE = 2 ** 20

/**
 * Bytes per second through the masker of a job with many secrets, in log lines in which a secret occurs now and then. The baseline is
 * what one writes first: a search of each chunk for each form by `indexOf`, which misses what lies across two chunks.
 */
export async function bench([megabytes = '512', count = '200']: string[]): Promise<void> {
  const secrets = Array.from({ length: Number(count) }, (_, n) => ({
    name: `s${n}`,
    value: randomBytes(24).toString('base64'),
  }))
  const forms = secrets.flatMap(({ value }) => formsOf(value, 4)).map(form => Buffer.from(form))
  const text = Buffer.from(
    Array.from({ length: 16 * 1024 }, (_, n) => {
      const found = n % 500 === 0 ? secrets[n % secrets.length]?.value : randomBytes(12).toString('hex')
      return `2026-03-04T05:06:${String(n % 60).padStart(2, '0')}Z info request ${n} of user ${n * 7} took ${n % 90} ms: ${found}\n`
    }).join(''),
  )
  const chunks = Array.from({ length: Math.floor(text.length / CHUNK) }, (_, n) =>
    text.subarray(n * CHUNK, (n + 1) * CHUNK),
  )
  const speed = (bytes: number, ms: number) => `${(bytes / MEGABYTE / (ms / 1000)).toFixed(0).padStart(5)} MB/s`

  const built = performance.now()
  const masker = createMasker(secrets)
  const buildMs = performance.now() - built
  let bytes = 0
  const start = performance.now()
  while (bytes < Number(megabytes) * MEGABYTE) {
    for (const chunk of chunks) {
      masker.push(chunk)
      bytes += chunk.length
    }
  }
  masker.end()
  const ours = speed(bytes, performance.now() - start)

  let searched = 0
  let hits = 0
  const naive = performance.now()
  for (const chunk of chunks.slice(0, 8)) {
    for (const form of forms) if (chunk.includes(form)) hits += 1
    searched += chunk.length
  }
  const theirs = speed(searched, performance.now() - naive)
  const masked = Object.values(masker.counts).reduce((sum, times) => sum + times, 0)
  process.stdout.write(
    `${count} secrets, ${forms.length} forms (built in ${buildMs.toFixed(0)} ms): masker ${ours}, ${masked} masked; a search for each form ${theirs}, ${hits} found\n`,
  )
}
