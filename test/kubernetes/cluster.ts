import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSigned } from '../certificate.ts'
import { FakeServer, json, type Seen } from '../fake-server.ts'
import { JobController } from './job-controller.ts'
import { Kubelet } from './kubelet.ts'
import { type Any, Objects, Refused } from './objects.ts'

const TOKEN = 'token-of-the-service-account'
const PATH = /^\/(?:api\/v1|apis\/batch\/v1)\/namespaces\/([^/]+)\/(jobs|pods|secrets)(?:\/([^/]+?))?(\/log)?$/

/** What a test wants to happen instead of an answer; `deaf`: it is done, and nobody hears of it. */
export type Trouble = 'hang' | 'deaf' | 'cut' | 'empty' | number | null

/**
 * A cluster of Kubernetes for tests: the API that a server of ours uses, by the rules of the real one (1.34, with which the runtime was
 * tried by hand), its Job controller, and a machine whose containers are real ones on the container engine.
 */
export class TestCluster {
  readonly objects = new Objects()
  readonly controller = new JobController(this.objects)
  readonly kubelet = new Kubelet(this.objects)
  /** Every answer to a question about Jobs, as whoever may read them sees it. */
  readonly seen: string[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'writ-cluster-'))
  readonly caFile = join(this.folder, 'ca.crt')
  readonly tokenFile = join(this.folder, 'token')
  /** Verbs and kinds that the service account may not use: `create jobs`. */
  readonly forbidden = new Set<string>()
  trouble: (method: string, path: string) => Trouble = () => null
  readonly #namespaces: readonly string[]
  #server!: FakeServer
  readonly #logs = new Set<ServerResponse>()

  private constructor(namespaces: readonly string[]) {
    this.#namespaces = namespaces
  }

  static async start(namespaces: readonly string[] = ['ci']): Promise<TestCluster> {
    const cluster = new TestCluster(namespaces)
    const certificate = selfSigned()
    writeFileSync(cluster.caFile, certificate.cert)
    writeFileSync(cluster.tokenFile, `${TOKEN}\n`)
    cluster.#server = await FakeServer.listen((response, request) => cluster.#answer(response, request), certificate)
    return cluster
  }

  get address(): string {
    return this.#server.address
  }

  /** Of a server of ours. */
  get settings(): Record<string, string> {
    return {
      WRIT_KUBERNETES_NAMESPACES: this.#namespaces.join(','),
      WRIT_KUBERNETES_SERVER: this.address,
      WRIT_KUBERNETES_CACERT: this.caFile,
      WRIT_KUBERNETES_TOKEN_FILE: this.tokenFile,
    }
  }

  /** What was asked: `POST /apis/…`. */
  get asked(): string[] {
    return this.#server.seen.map(({ method, url }) => `${method} ${url}`)
  }

  cut(): void {
    this.#server.cut()
  }

  /** Ends every log that is being followed, as a proxy does that has enough of it. */
  endLogs(): void {
    for (const response of this.#logs) response.end()
  }

  async close(): Promise<void> {
    this.controller.stop()
    await this.#server.close()
    await this.kubelet.close()
    rmSync(this.folder, { recursive: true })
  }

  async #answer(response: ServerResponse, request: Seen): Promise<void> {
    const url = new URL(request.url, this.address)
    const trouble = this.trouble(request.method, url.pathname + url.search)
    if (trouble === 'hang') return
    if (trouble === 'cut') return void response.destroy()
    if (trouble === 'empty') return void response.writeHead(200).end()
    if (typeof trouble === 'number') return status(response, trouble, 'Trouble', 'as the test wants it')
    try {
      if (request.headers.authorization !== `Bearer ${TOKEN}`) throw new Refused(401, 'Unauthorized', 'Unauthorized')
      const [, namespace = '', kind = '', name = '', log] = PATH.exec(url.pathname) ?? []
      if (kind === '') throw new Refused(404, 'NotFound', 'the server could not find the requested resource')
      if (log) return await this.#log(response, namespace, name, url.searchParams)
      const body = request.body === '' ? {} : JSON.parse(request.body)
      const answer = this.#handle(request.method, { namespace, kind, name, query: url.searchParams, body })
      if (trouble === 'deaf') return
      if (kind === 'jobs') this.seen.push(JSON.stringify(answer))
      json(response, request.method === 'POST' ? 201 : 200, answer)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      status(response, error.code, error.reason, error.message)
    }
  }

  #handle(method: string, { namespace, kind, name, query, body }: Any): Any {
    const verbs: Any = { POST: 'create', PATCH: 'patch', DELETE: 'delete', GET: name ? 'get' : 'list' }
    const allowed = this.#namespaces.includes(namespace) && !this.forbidden.has(`${verbs[method]} ${kind}`)
    if (!allowed) throw new Refused(403, 'Forbidden', `${kind} is forbidden: User "writ" cannot ${verbs[method]} it`)
    switch (method) {
      case 'POST':
        if (kind === 'jobs') valid(body)
        return this.objects.create(
          kind,
          namespace,
          { ...body, ...(kind === 'jobs' ? { status: {} } : {}) },
          query.has('dryRun'),
        )
      case 'PATCH':
        return this.objects.patch(kind, namespace, name, body)
      case 'DELETE': {
        const object = this.objects.get(kind, namespace, name)
        this.objects.remove(kind, namespace, name, body)
        return kind === 'pods' ? object : { kind: 'Status', status: 'Success' }
      }
      default: {
        if (name) return this.objects.get(kind, namespace, name)
        const items = this.objects.list(kind, namespace, query.get('labelSelector') ?? '')
        return { kind: 'List', metadata: { resourceVersion: '1' }, items }
      }
    }
  }

  async #log(response: ServerResponse, namespace: string, name: string, query: URLSearchParams): Promise<void> {
    if (this.forbidden.has('get pods/log')) throw new Refused(403, 'Forbidden', 'pods/log is forbidden')
    this.objects.get('pods', namespace, name)
    response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
    this.#logs.add(response)
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    for await (const piece of this.kubelet.log(name, query.get('container') ?? '', query, gone.signal)) {
      if (response.writableEnded) break
      response.write(piece)
    }
    this.#logs.delete(response)
    response.end()
  }
}

function valid(job: Any): void {
  const { containers } = job.spec.template.spec
  for (const { name, image } of containers)
    if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name ?? '') || !image)
      throw new Refused(
        422,
        'Invalid',
        `Job.batch "${job.metadata.name}" is invalid: spec.template.spec.containers[0].name`,
      )
}

function status(response: ServerResponse, code: number, reason: string, message: string): void {
  json(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code })
}
