import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { WritError } from '../../../protocol/errors.ts'
import type { Engine } from './engine.ts'
import type { GateBinary } from './gate-binary.ts'
import { inspectImage } from './image-inspection.ts'
import { FORMAT_LABEL, REPOSITORY } from './prepared-image.ts'
import { smallTar } from './small-tar.ts'

const IMPORT_MS = 60_000
/** Ends at SIGTERM, by the process 1 before it. */
export const PAUSE_COMMAND = ['/busybox', 'tail', '-f', '/dev/null']

/** An image of nothing but a program that waits. Made once for an engine. */
export async function pauseImage(engine: Engine, gate: GateBinary): Promise<string> {
  const tag = `pause-${gate.fingerprint}`
  const ref = `${REPOSITORY}:${tag}`
  if (await inspectImage(engine, ref)) return ref
  const body = await smallTar([{ name: 'busybox', mode: 0o755, data: await readFile(gate.path) }])
  const query = { fromSrc: '-', repo: REPOSITORY, tag, changes: `LABEL ${FORMAT_LABEL}=pause` }
  const answer = await engine.stream('POST', '/images/create', { query, body, deadlineMs: IMPORT_MS })
  const said = await text(answer.body)
  if (said.includes('"error"')) throw new WritError('runtime_unavailable', 'no image to wait with')
  if (await inspectImage(engine, ref)) return ref
  // Podman 4.3 imports without the name
  const id = /"status":"(?:sha256:)?([0-9a-f]{64})/.exec(said)?.[1]
  await engine.json('POST', `/images/${id}/tag`, { query: { repo: REPOSITORY, tag } })
  return ref
}
