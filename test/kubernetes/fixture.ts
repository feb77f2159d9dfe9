import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { findCluster } from '../../src/server/runtimes/kubernetes/cluster.ts'
import {
  type KubernetesOptions,
  type KubernetesRuntime,
  kubernetes,
} from '../../src/server/runtimes/kubernetes/kubernetes-runtime.ts'
import type { KubernetesSpec } from '../../src/server/runtimes/kubernetes/manifest.ts'
import type { Attachment, Cursor, Exit } from '../../src/server/runtimes/runtime.ts'
import { ensureBusyboxImage } from '../busybox-image.ts'
import { TestCluster } from './cluster.ts'
import type { Any } from './objects.ts'

export const GIVEN = { files: { 'ca.crt': Buffer.from('the-ca') }, env: { VAULT_REQUEST_TOKEN_A: 'canary-token' } }

interface Run {
  readonly stdout: string
  readonly system: string
  readonly exit: Exit | undefined
  readonly code: string
  readonly cursor: Cursor
}

/** A cluster for a file of tests, and servers of ours that run Jobs in it. */
export class KubernetesFixture {
  cluster!: TestCluster
  image = ''
  runtime!: KubernetesRuntime
  readonly #closers: (() => void)[] = []

  constructor() {
    beforeAll(async () => {
      this.image = await ensureBusyboxImage()
      this.cluster = await TestCluster.start()
      this.runtime = this.server()
    })
    afterEach(() => {
      this.cluster.trouble = () => null
      this.cluster.forbidden.clear()
      this.cluster.controller.paused = false
    })
    afterAll(async () => {
      for (const close of this.#closers) close()
      await this.cluster?.close()
    })
  }

  /** Another server of ours. */
  server(more: Partial<KubernetesOptions> = {}): KubernetesRuntime {
    const { address: server, caFile, tokenFile } = this.cluster
    const made = kubernetes({
      cluster: findCluster({ server, caFile, tokenFile }, {}),
      namespaces: ['ci'],
      owner: ['writ.installation', 'test'],
      startMs: 30_000,
      graceSeconds: 1,
      timeoutMs: 700,
      patienceMs: 2_000,
      endMs: 5_000,
      ...more,
    })
    this.#closers.push(() => made.close())
    return made.runtimes.get('ci') as KubernetesRuntime
  }

  template(script: string, pod: object = {}, container: object = {}): string {
    const main = { name: 'main', image: this.image, command: ['sh', '-c', script], ...container }
    const spec = { template: { spec: { ...pod, containers: [main] } } }
    return JSON.stringify({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'x' }, spec })
  }

  spec(script: string, more: Partial<KubernetesSpec> = {}): KubernetesSpec {
    const job = randomBytes(12).toString('hex')
    return {
      name: `writ-${job}`,
      labels: { 'writ.installation': 'test', 'writ.job': job, 'writ.attempt': '1' },
      template: this.template(script),
      commit: 'c'.repeat(40),
      env: [],
      secretEnv: ['VAULT_REQUEST_TOKEN_A'],
      files: ['ca.crt'],
      deadlineSeconds: 600,
      ...more,
    }
  }

  async start(script: string, more: Partial<KubernetesSpec> = {}, at = this.runtime) {
    const spec = this.spec(script, more)
    const id = (await at.create(spec)) ?? ''
    return { spec, id, attachment: await at.start(id, GIVEN) }
  }

  pods(name: string): Any[] {
    return this.cluster.objects.list('pods', 'ci', `writ.job=${name.slice('writ-'.length)}`)
  }

  secrets(): Any[] {
    return this.cluster.objects.list('secrets', 'ci')
  }

  async running(name: string): Promise<void> {
    await until(() => this.pods(name)[0]?.status.phase === 'Running')
  }
}

/** Reads an output to its end, or until a text is in it. */
export async function finished({ output, exit }: Attachment, enough = (_: string) => false): Promise<Run> {
  const [stdout, system]: [string[], string[]] = [[], []]
  let position = 0
  for await (const frame of output) {
    const text = Buffer.from(frame.data).toString()
    if (frame.stream === 'system') {
      system.push(text)
      continue
    }
    stdout.push(text)
    position += frame.advance?.(frame.data.length) ?? frame.data.length
    if (enough(stdout.join(''))) break
  }
  const end = await exit.then(
    value => ({ exit: value, code: '' }),
    error => ({ exit: undefined, code: error.code }),
  )
  return { stdout: stdout.join(''), system: system.join(''), ...end, cursor: { stdout: position, stderr: 0 } }
}

export async function until(what: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !what(); await new Promise(resolve => setTimeout(resolve, 10)))
    if (Date.now() > end) throw new Error(`not in time: ${what}`)
}
