import { WritError } from '../../../../protocol/errors.ts'
import type { Container } from './answers.ts'

/**
 * By what other schedulers' containers are known: by a name, a label or a variable that their agents give, and that no user can take away.
 * Whoever puts one into an image only keeps its containers from being tasks of Docker.
 */
const STARTED_BY: Readonly<Record<string, (container: Container) => boolean>> = {
  writ: ({ Name }) => /^\/?writ-[0-9a-f]{24}$/.test(Name),
  mesos: ofMesos,
  'dcosee-mesos': ofMesos,
  ecs: ({ Config }) => 'com.amazonaws.ecs.task-arn' in (Config.Labels ?? {}),
  kubernetes: ({ Config }) => 'io.kubernetes.pod.uid' in (Config.Labels ?? {}),
}

/**
 * By the name, or a variable that Mesos gives to each of its containers. The attack: among the `parameters` of a task, a `name` of its own
 * comes after Mesos' on Docker's command line, and is the one that counts (Mesos' `docker/docker.cpp`).
 */
function ofMesos({ Name, Config }: Container): boolean {
  return /^\/?mesos-/.test(Name) || (Config.Env ?? []).some(one => /^MESOS_(SANDBOX|CONTAINER_NAME)=/.test(one))
}

/** The attack: a job of ours asks as one, and then as a container of Docker, and gets a token each time. Throws `task_not_found`. */
export function requireOwn(container: Container, schedulers: readonly string[]): void {
  const starter = schedulers.find(name => Object.hasOwn(STARTED_BY, name) && STARTED_BY[name]?.(container))
  if (starter) throw new WritError('task_not_found', `it is a task of ${starter}`)
}
