import { WritError } from '../../../../protocol/errors.ts'
import type { Task } from '../scheduler.ts'
import type { Container } from './answers.ts'

/** What a policy is chosen by, if whoever started the container says so. */
const NAME = 'writ.task.name'
const PROJECT = 'com.docker.compose.project'
const SERVICE = 'com.docker.compose.service'
const NUMBER = 'com.docker.compose.container-number'
const ONE_OFF = 'com.docker.compose.oneoff'

type Labels = Readonly<Record<string, string>>

/** A container as the gate's task. Throws `task_not_started`, `task_ended`, `scheduler_lied`. */
export function taskOf(container: Container, ofImage: Labels): Task {
  const { Id, State, Config } = container
  if (State.Status === 'created' || State.Restarting) throw new WritError('task_not_started')
  // paused is neither: nothing in it could ask
  if (!State.Running || State.Paused || State.Status !== 'running') throw new WritError('task_ended')
  const startedAt = new Date(State.StartedAt)
  if (!(startedAt.getTime() > 0)) throw new WritError('scheduler_lied', 'a container that runs without a start')
  return {
    // one start is one task: a container that is restarted begins anew, and needs a token again
    id: `${Id}@${startedAt.getTime()}`,
    name: nameOf(container, ofImage),
    image: Config.Image,
    startedAt,
    addresses: addressesOf(container),
    state: 'running',
    meta: { container: Id },
  }
}

/**
 * The labels that the container was started with. Those of its image are among them in the engine's answer, and are the word of
 * whoever built the image: with them it could call itself by the name of another service.
 */
function own(labels: Labels, ofImage: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name, value]) => ofImage[name] !== value))
}

function nameOf({ Name, Config }: Container, ofImage: Labels): string {
  const all = Config.Labels ?? {}
  const started = own(all, ofImage)
  const { [NAME]: name } = started
  if (name) return name
  // Compose labels the images that it builds like the containers that it starts, but numbers the latter only, or says that they are for
  // once (`docker compose run`)
  const composed = NUMBER in started || ONE_OFF in started
  const { [PROJECT]: project, [SERVICE]: service } = composed ? all : started
  if (project && service) return `${project}/${service}`
  return Name.replace(/^\//, '')
}

function addressesOf({ NetworkSettings }: Container): string[] {
  const networks = Object.values(NetworkSettings?.Networks ?? {})
  return networks.flatMap(one => [one.IPAddress, one.GlobalIPv6Address]).filter((text): text is string => Boolean(text))
}
