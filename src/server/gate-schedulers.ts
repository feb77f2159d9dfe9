import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from './config.ts'
import type { Scheduler } from './gate/schedulers/scheduler.ts'
import type { JobTask } from './gate/schedulers/writ/writ-scheduler.ts'
import type { GateConfig } from './gate-config.ts'
import type { Database } from './store/database.ts'

/** Makes the schedulers that are configured, in their order. Each is loaded only where it is used. Throws `ConfigError`. */
export async function createSchedulers(config: GateConfig, db: Database | null): Promise<Map<string, Scheduler>> {
  const made = new Map<string, Scheduler>()
  const problems: string[] = []
  for (const name of config.values.schedulers) {
    try {
      made.set(name, await create(name, config, db))
    } catch (error) {
      problems.push(`the scheduler ${JSON.stringify(name)} ${(error as Error).message}`)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return made
}

async function create(name: string, { values }: GateConfig, db: Database | null): Promise<Scheduler> {
  switch (name) {
    case 'mesos': {
      const [{ mesosScheduler }, { parseMesosAddress }] = await Promise.all([
        import('./gate/schedulers/mesos/mesos-scheduler.ts'),
        import('./gate/schedulers/mesos/address.ts'),
      ])
      return mesosScheduler({ address: parseMesosAddress(values.mesos), ca: values.mesosCa ?? undefined })
    }
    case 'dcosee-mesos': {
      const [{ mesosScheduler }, { parseMesosAddress }, { DcosLogin }] = await Promise.all([
        import('./gate/schedulers/mesos/mesos-scheduler.ts'),
        import('./gate/schedulers/mesos/address.ts'),
        import('./gate/schedulers/mesos/dcos-login.ts'),
      ])
      const address = parseMesosAddress(values.mesos)
      // in clear, whoever listens could log in as the gate
      if (!address.secure) throw new Error('needs MESOS_MASTER with https:// or zks://')
      const ca = values.mesosCa ?? undefined
      const dcos = new DcosLogin({ uid: values.dcosUid, key: privateKey(values.dcosKey), ca })
      return mesosScheduler({ address, ca, dcos })
    }
    case 'ecs': {
      const { ecsScheduler } = await import('./gate/schedulers/ecs/ecs-scheduler.ts')
      return ecsScheduler({ clusters: values.ecsClusters, region: values.awsRegion || undefined })
    }
    case 'docker': {
      const { dockerScheduler } = await import('./gate/schedulers/docker/docker-scheduler.ts')
      return dockerScheduler({ host: values.dockerHost, peerOnly: values.dockerPeerOnly, others: values.schedulers })
    }
    case 'kubernetes': {
      const [{ kubernetesScheduler }, { findCluster }] = await Promise.all([
        import('./gate/schedulers/kubernetes/kubernetes-scheduler.ts'),
        import('./runtimes/kubernetes/cluster.ts'),
      ])
      const { kubernetesServer: server, kubernetesCa: caFile, kubernetesTokenFile: tokenFile } = values
      const cluster = findCluster({ server, caFile, tokenFile })
      return kubernetesScheduler({ cluster, audience: values.kubernetesAudience })
    }
    case 'writ': {
      if (!db) throw new Error('needs DATABASE_URL: its tasks are the jobs that are recorded there')
      const { writScheduler } = await import('./gate/schedulers/writ/writ-scheduler.ts')
      return writScheduler(async id => await findTask(db, id))
    }
    case 'test':
    case 'mesos_test': {
      const { testScheduler } = await import('./gate/schedulers/test-scheduler.ts')
      return testScheduler(name)
    }
    default:
      throw new Error('is not one of mesos, dcosee-mesos, ecs, docker, kubernetes, writ, test, mesos_test')
  }
}

function privateKey(path: string): KeyObject {
  try {
    const key = createPrivateKey(readFileSync(path))
    if (key.asymmetricKeyType === 'rsa') return key
  } catch {
    // its words may show a piece of the file
  }
  throw new Error('needs an RSA key in DCOS_PRIVATEKEY')
}

async function findTask(db: Database, id: string): Promise<JobTask | null> {
  const columns = ['id', 'status', 'qname', 'image', 'started_at', 'kill_requested', 'container_id'] as const
  const job = await db.selectFrom('jobs').select(columns).where('id', '=', id).executeTakeFirst()
  if (!job) return null
  const { status, qname, image, started_at: startedAt, kill_requested: killed, container_id: container } = job
  return { id, status, qname, image, startedAt, killed, container: container || null }
}
