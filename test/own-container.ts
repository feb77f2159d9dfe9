import { readFileSync } from 'node:fs'
import { containerOfCgroup } from '../src/server/gate/schedulers/cgroup.ts'

/** The tests themselves run in a container: then there is no process of the host to try things with. */
export const testsAreInContainer = containerOfCgroup(readFileSync('/proc/self/cgroup', 'utf8')) !== null
