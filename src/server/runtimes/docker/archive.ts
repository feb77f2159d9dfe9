import { pipeline } from 'node:stream/promises'
import { extract } from 'tar-stream'
import { WritError } from '../../../protocol/errors.ts'
import type { Engine } from './engine.ts'
import { isGone } from './engine-error.ts'

const PUT_MS = 300_000
const NOT_PLAIN = 0x8f28_0000

/**
 * The text of one file of a container that does not run, null if there is none. Only a plain file will do: a FIFO as
 * `/etc/passwd` blocks the engine's start of the container, and then every call about it, for ever.
 */
export async function readPlainFile(engine: Engine, id: string, path: string, limit: number): Promise<string | null> {
  const archive = await engine.stream('GET', `/containers/${id}/archive`, { query: { path } }).catch(nullIfGone)
  if (!archive) return null
  const tar = extract()
  const unpacked = pipeline(archive.body, tar)
  unpacked.catch(() => {})
  const chunks: Uint8Array[] = []
  for await (const entry of tar) {
    const { type, size } = entry.header
    if (type !== 'file') throw new WritError('container_refused', `${path} of the image is no plain file`)
    if (size > limit) throw new WritError('container_refused', `${path} of the image is too large`)
    for await (const chunk of entry) chunks.push(chunk as Uint8Array)
  }
  await unpacked
  return Buffer.concat(chunks).toString()
}

/** Whether the container's filesystem has something at `path`; and if so, whether that is a plain file. */
export async function fileKind(engine: Engine, id: string, path: string): Promise<'plain' | 'other' | null> {
  const answer = await engine.stream('HEAD', `/containers/${id}/archive`, { query: { path } }).catch(nullIfGone)
  if (!answer) return null
  answer.body.resume()
  const { mode } = JSON.parse(Buffer.from(String(answer.headers['x-docker-container-path-stat']), 'base64').toString())
  // Go's file mode: the kinds other than a plain file are bits 19, 21, 24 to 27 and 31.
  return (mode & NOT_PLAIN) === 0 ? 'plain' : 'other'
}

/**
 * Lays a plain tar over the root of a container that was not started. The engine does not undo what it unpacked before
 * an error, so whoever calls this removes the container then. While it uploads, no other call about the container gets
 * through: hence the deadline.
 */
export async function layOver(
  engine: Engine,
  id: string,
  tar: Buffer | AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const query = { path: '/', noOverwriteDirNonDir: 1 }
  await engine.json('PUT', `/containers/${id}/archive`, { query, body: tar, signal, deadlineMs: PUT_MS })
}

function nullIfGone(error: unknown): null {
  if (isGone(error)) return null
  throw error
}
