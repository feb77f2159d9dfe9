import { type Readable, Transform } from 'node:stream'
import type { ECSClient } from '@aws-sdk/client-ecs'
import { WritError } from '../../../../protocol/errors.ts'

const CONNECT_MS = 2_000
const REQUEST_MS = 5_000
const MAX_ANSWER = 4 * 1024 * 1024

/** Of the answer of one call: what is not looked at is not named. Times are Dates. */
export type DescribeTasks = (cluster: string, ids: readonly string[], signal: AbortSignal) => Promise<unknown>

export interface EcsClient {
  readonly describeTasks: DescribeTasks
  close(): void
}

/**
 * The AWS SDK, which signs and finds credentials in all their places. Loaded with the first lookup: its import costs 35 MB, and few gates
 * have ECS.
 */
export async function openEcs(region: string | undefined, endpoint: string | undefined): Promise<EcsClient> {
  const { ECSClient, DescribeTasksCommand } = await import('@aws-sdk/client-ecs')
  const client = new ECSClient({
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint } : {}),
    maxAttempts: 2,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: REQUEST_MS, throwOnRequestTimeout: true },
  })
  boundAnswers(client)
  return {
    describeTasks: async (cluster, ids, signal) =>
      await client.send(new DescribeTasksCommand({ cluster, tasks: [...ids] }), { abortSignal: signal }),
    close: () => client.destroy(),
  }
}

interface Answered {
  statusCode: number
  body?: Readable
}

/** The SDK reads an answer of any length, and takes every status below 300 for success. */
function boundAnswers(client: ECSClient): void {
  client.middlewareStack.add(
    next => async args => {
      const result = await next(args)
      const response = result.response as Answered
      if (response.statusCode !== 200 && response.statusCode < 300) {
        response.body?.destroy()
        throw new WritError('scheduler_lied', `HTTP status ${response.statusCode}`)
      }
      if (response.body) response.body = bounded(response.body)
      return result
    },
    { step: 'deserialize', priority: 'low', name: 'writBoundAnswers' },
  )
}

function bounded(body: Readable): Readable {
  let size = 0
  const limit = new Transform({
    transform(chunk: Buffer, _, done) {
      size += chunk.length
      if (size <= MAX_ANSWER) return done(null, chunk)
      body.destroy()
      done(new WritError('scheduler_lied', `an answer of more than ${MAX_ANSWER} bytes`))
    },
  })
  body.on('error', error => limit.destroy(error))
  return body.pipe(limit)
}
