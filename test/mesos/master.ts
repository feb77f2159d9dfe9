// A Mesos master, as far as a gate sees one: a process of its own that can be slow, lie, lose the lead and be killed. Told what to be over
// the IPC channel. Shapes of the answers: Mesos 1.11 and 0.28, `master/http.cpp` and `common/http.cpp`.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export interface FakeTask {
  readonly id: string
  readonly name?: string
  readonly state?: string
  /** Seconds ago, of each status; the oldest first. */
  readonly statuses?: readonly { state: string; ago: number }[]
  readonly framework?: string
  readonly agent?: string
  readonly image?: string
}

export interface MasterState {
  readonly tasks: readonly FakeTask[]
  /** Names of frameworks by their ids. */
  readonly frameworks: Readonly<Record<string, string>>
  readonly leads: boolean
  /** `host:port` of the one that does, as far as this one knows. */
  readonly leader: string | null
  /** `old`: no `task_id` in a query, no redirects, `/master/state.json`. */
  readonly dialect: 'modern' | 'old'
  readonly fault:
    | 'none'
    | 'stall'
    | 'drip'
    | 'cut'
    | 'endless'
    | 'garbage'
    | 'empty'
    | 'types'
    | 'others'
    | 'loop'
    | number
  readonly delayMs: number
  /** `user:password` that it wants to see. */
  readonly login: string | null
  /** The whole header that it wants to see. */
  readonly authorization?: string
}

export const QUIET: MasterState = {
  tasks: [],
  frameworks: { 'F-1': 'marathon' },
  leads: true,
  leader: null,
  dialect: 'modern',
  fault: 'none',
  delayMs: 0,
  login: null,
}

export interface MasterStart {
  readonly tls?: { cert: string; key: string }
  readonly port?: number
}

function main(start: MasterStart): void {
  let state = QUIET
  const asked: string[] = []
  const listener: RequestListener = (request, response) => {
    asked.push(request.url ?? '')
    setTimeout(() => answer(state, request, response), state.delayMs)
  }
  const server = start.tls ? createTlsServer(start.tls, listener) : createServer(listener)
  process.on('message', (change: Partial<MasterState>) => {
    state = { ...state, ...change }
    process.send?.({ asked: asked.splice(0) })
  })
  process.on('disconnect', () => process.exit())
  server.listen(start.port ?? 0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

const GARBAGE = '<html>Service proxied</html>'

function answer(state: MasterState, request: IncomingMessage, response: ServerResponse): void {
  const wanted = state.authorization ?? (state.login === null ? undefined : `Basic ${btoa(state.login)}`)
  const wrong = wanted !== undefined && request.headers.authorization !== wanted
  if (wrong) send(response, 401, '')
  else if (state.fault !== 'none') fail(state, request, response)
  else if (state.dialect === 'modern' && !state.leads) redirect(response, state.leader, request.url)
  else speak(state, request, response)
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json' }).end(text)
}

function redirect(response: ServerResponse, leader: string | null, path = ''): void {
  if (leader === null) send(response, 503, '')
  else response.writeHead(307, { location: `//${leader}${path}` }).end()
}

const selfOf = (request: IncomingMessage) => `127.0.0.1:${request.socket.localPort}`

function fail(state: MasterState, request: IncomingMessage, response: ServerResponse): void {
  const { fault } = state
  if (typeof fault === 'number') send(response, fault, { tasks: [] })
  else if (fault === 'cut') request.socket.destroy()
  else if (fault === 'drip' || fault === 'endless') pour(fault, response)
  else if (fault === 'garbage') send(response, 200, GARBAGE)
  else if (fault === 'empty') send(response, 200, {})
  else if (fault === 'types') send(response, 200, { tasks: [{ ...render(state, state.tasks[0]), statuses: 'many' }] })
  else if (fault === 'others') send(response, 200, { tasks: [render(state, { id: 'another-task' })] })
  else if (fault === 'loop') redirect(response, selfOf(request), request.url)
}

function speak(state: MasterState, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://master')
  const path = url.pathname.replace(/^\/master\//, '/')
  const wanted = state.dialect === 'modern' ? url.searchParams.get('task_id') : null
  const tasks = state.tasks.map(task => render(state, task))
  const named = tasks.filter(task => wanted === null || task.id === wanted)
  if (path === '/tasks') send(response, 200, { tasks: named })
  else if (path === '/state-summary') send(response, 200, summary(state, selfOf(request)))
  else if (path === (state.dialect === 'modern' ? '/state' : '/state.json')) {
    send(response, 200, whole(state, tasks, selfOf(request)))
  } else send(response, 404, '')
}

/** An answer that never ends: slowly, or as fast as it goes. */
function pour(kind: 'drip' | 'endless', response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write('{"tasks":[')
  const timer = setInterval(
    () => response.write(kind === 'drip' ? ' ' : ' '.repeat(1024 * 1024)),
    kind === 'drip' ? 100 : 1,
  )
  response.on('close', () => clearInterval(timer))
}

const AGENT = 'A-1'

function render(state: MasterState, task: FakeTask = { id: '' }) {
  const now = Date.now() / 1_000
  const last = task.state ?? 'TASK_RUNNING'
  const statuses = task.statuses ?? [
    { state: 'TASK_STARTING', ago: 2 },
    { state: last, ago: 1 },
  ]
  return {
    id: task.id,
    name: task.name ?? 'app',
    framework_id: task.framework ?? Object.keys(state.frameworks)[0] ?? '',
    executor_id: '',
    slave_id: task.agent ?? AGENT,
    state: last,
    resources: { disk: 0, mem: 128, gpus: 0, cpus: 0.1, ports: '[31000-31000]' },
    role: '*',
    statuses: statuses.map(one => ({ state: one.state, timestamp: now - one.ago, container_status: {} })),
    ...(task.image ? { container: { type: 'DOCKER', docker: { image: task.image, network: 'HOST' } } } : {}),
  }
}

const agents = () => [{ id: AGENT, pid: 'slave(1)@10.0.0.5:5051', hostname: 'agent', port: 5051, active: true }]

function summary(state: MasterState, self: string) {
  const frameworks = Object.entries(state.frameworks).map(([id, name]) => ({ id, name, active: true, TASK_RUNNING: 1 }))
  return { hostname: self, cluster: '', slaves: agents(), frameworks }
}

function whole(state: MasterState, tasks: ReturnType<typeof render>[], self: string) {
  const frameworks = Object.entries(state.frameworks).map(([id, name]) => ({
    id,
    name,
    active: true,
    tasks: tasks.filter(task => task.framework_id === id && /RUNNING|STARTING|STAGING/.test(task.state)),
    completed_tasks: tasks.filter(task => task.framework_id === id && !/RUNNING|STARTING|STAGING/.test(task.state)),
  }))
  const leader = state.leads ? `master@${self}` : state.leader ? `master@${state.leader}` : ''
  return { version: '0.28.0', pid: `master@${self}`, leader, slaves: agents(), frameworks, completed_frameworks: [] }
}

if (process.send) main(JSON.parse(process.argv[2] ?? '{}') as MasterStart)
