/** A part of a cgroup path that names a container, as the engines write it: `<id>`, `docker-<id>.scope`, `libpod-<id>` … */
const CONTAINER = /^(?:[a-z-]{1,40}-)?([0-9a-f]{64})(?:\.scope)?$/

/**
 * The container that a process is in, by the text of its `/proc/<pid>/cgroup` (version 1, 2 or both); null outside of any.
 * Of nested ones it is the outermost: a container may make groups of any name below its own, and so could call itself by the id of
 * another. Throws when the hierarchies name different ones.
 */
export function containerOfCgroup(text: string): string | null {
  const found = new Set<string>()
  for (const line of text.split('\n')) {
    // hierarchy:controllers:path, of which only the path may hold a colon
    const path = /^\d+:[^:]*:(.*)$/.exec(line)?.[1]
    const id = path
      ?.split('/')
      .map(part => CONTAINER.exec(part)?.[1])
      .find(part => part !== undefined)
    if (id) found.add(id)
  }
  if (found.size > 1) throw new Error('the cgroups of the process are of several containers')
  return found.values().next().value ?? null
}
