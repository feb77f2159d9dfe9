import { WritError } from '../../../../protocol/errors.ts'
import { masterHost, type ZooKeeperAddress } from './address.ts'
import { masterInfo } from './master-info.ts'
import { ZooKeeperError, ZooKeeperSession } from './zookeeper.ts'

/** For one server of the ensemble; the next is tried after it. */
const SERVER_MS = 2_000
const NO_NODE = -101
/** The masters of a cluster are a handful. */
const MAX_TRIES = 10

/**
 * The master that leads, as `host:port`: the oldest of those who stand for election in ZooKeeper (gatekeeper.md §8.1). Throws
 * `scheduler_unavailable` and `scheduler_lied`.
 */
export async function readLeader({ servers, path, login }: ZooKeeperAddress): Promise<string> {
  let failure: unknown
  for (const server of servers) {
    const signal = AbortSignal.timeout(SERVER_MS)
    try {
      const session = await ZooKeeperSession.open(server, login, signal)
      try {
        return await leaderOf(session, path)
      } finally {
        session.close()
      }
    } catch (error) {
      // the others of the ensemble would say the same
      if (error instanceof WritError || error instanceof ZooKeeperError) throw refused(error)
      failure = error
    }
  }
  throw new WritError('scheduler_unavailable', 'no ZooKeeper answers', { cause: failure })
}

async function leaderOf(session: ZooKeeperSession, path: string): Promise<string> {
  const names = await session.children(path)
  for (const name of contenders(names).slice(0, MAX_TRIES)) {
    try {
      const info = masterInfo(name, await session.data(`${path}/${name}`))
      const host = info && masterHost(info)
      if (!host) throw new WritError('scheduler_lied', 'ZooKeeper holds no address of a Mesos master')
      return host
    } catch (error) {
      // it has gone since the listing, so the next one leads
      if (!(error instanceof ZooKeeperError) || error.code !== NO_NODE) throw error
    }
  }
  throw new WritError('scheduler_unavailable', 'no Mesos master is in ZooKeeper')
}

/** Those who stand for election, the leader first; as JSON since Mesos 0.24, before as protocol buffers. */
function contenders(names: readonly string[]): string[] {
  const json = names.filter(name => /^json\.info_\d{10}$/.test(name)).sort()
  return json.length > 0 ? json : names.filter(name => /^info_\d{10}$/.test(name)).sort()
}

function refused(error: Error): WritError {
  if (error instanceof WritError) return error
  return new WritError('scheduler_unavailable', error.message, { cause: error })
}
