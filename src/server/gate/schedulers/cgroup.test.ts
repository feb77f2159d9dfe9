import { expect, test } from 'vitest'
import { containerOfCgroup } from './cgroup.ts'

const A = 'a1'.repeat(32)
const B = 'b2'.repeat(32)

test.each([
  ['version 2, systemd', `0::/system.slice/docker-${A}.scope\n`],
  ['version 2, cgroupfs', `0::/docker/${A}\n`],
  ['version 1', `12:pids:/docker/${A}\n3:cpu,cpuacct:/docker/${A}\n1:name=systemd:/docker/${A}\n`],
  ['hybrid, where some hierarchies are the root', `4:memory:/docker/${A}\n2:cpuset:/\n0::/\n`],
  ['a parent of its own', `0::/tenants/red/${A}\n`],
  ['Podman', `0::/machine.slice/libpod-${A}.scope/container\n`],
  ['Kubernetes with containerd', `0::/kubepods.slice/kubepods-podx.slice/cri-containerd-${A}.scope\n`],
  ['seen from a namespace of its own', `0::/../${A}\n`],
  ['a container in a container: the outer one', `0::/docker/${A}/docker/${B}\n`],
  ['a group that a container named with a colon', `0::/docker/${A}/x:/docker/${B}\n`],
  ['a group that a container named after another one', `0::/docker/${A}/docker-${B}.scope\n`],
])('%s', (_, text) => expect(containerOfCgroup(text)).toBe(A))

test.each([
  ['nothing', ''],
  ['the host', '0::/user.slice/user-0.slice/session-1.scope\n4:memory:/\n'],
  ['a short id', '0::/docker/a1a1a1a1a1a1\n'],
  ['an id with something before it', `0::/docker/x${A}\n`],
  ['an id that goes on', `0::/docker/${A}0\n`],
  ['an id with something behind it', `0::/docker/${A}x\n0::/docker/${A}.slice\n`],
  ['a scope with something behind it', `0::/system.slice/docker-${A}.scope.d\n`],
  ['an id in capitals', `0::/docker/${A.toUpperCase()}\n`],
  ['an id among the controllers', `0:${A}:/\n`],
  ['no line of a cgroup', `/docker/${A}\n`],
])('%s is no container', (_, text) => expect(containerOfCgroup(text)).toBeNull())

test('hierarchies of two containers are believed neither', () => {
  expect(() => containerOfCgroup(`1:cpu:/docker/${A}\n0::/docker/${B}\n`)).toThrow('several')
})
