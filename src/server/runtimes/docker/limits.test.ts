import { describe, expect, test } from 'vitest'
import { DockerFixture, NO_SECRETS } from '../../../../test/docker-fixture.ts'

const docker = new DockerFixture()
const MEMORY = 64 * 1024 * 1024
const LIMITS = { memoryBytes: MEMORY, pids: 50, network: 'none' }

test('processes: no more than allowed', async () => {
  const script = 'for i in $(seq 40); do sleep 5 & done; echo all'
  const { stderr } = await docker.run(script, NO_SECRETS, { limits: { ...LIMITS, pids: 20 } })
  expect(stderr.toString()).toContain("can't fork")
})

test.each([
  [0.5, 500_000_000],
  [0, 0],
])('processors: %d', async (cpus, NanoCpus) => {
  const { id } = await docker.create(['true'], { limits: { ...LIMITS, cpus } })
  expect(await docker.engine.json('GET', `/containers/${id}/json`)).toMatchObject({ HostConfig: { NanoCpus } })
})

test('memory: the files in memory count', async () => {
  const script = 'dd if=/dev/zero of=/tmp/x bs=1M count=70 2>/dev/null; cat /tmp/x | tail -c 1 | wc -c; exit 0'
  const { stdout } = await docker.run(script, NO_SECRETS, { limits: { ...LIMITS, readOnly: true } })
  // half of the memory at most: a full /tmp is an error of the one who writes, and not the end of the job
  expect(stdout.toString()).toBe('1\n')
})

describe('read only', () => {
  const readOnly = { limits: { ...LIMITS, readOnly: true } }

  test('nothing can be written but to memory, and the secrets are there', async () => {
    const secrets = { files: { 'secrets.yml': Buffer.from('s\n') }, env: { A: 'b' } }
    const script =
      'echo x >/etc/x; echo x >/x; echo x >/.writ/x; echo x >/tmp/x && cat /tmp/x /secrets.yml; echo $A; df | grep -c "/.writ/state"'
    const { stdout, stderr } = await docker.run(script, secrets, readOnly)
    expect(stdout.toString()).toBe('x\ns\nb\n1\n')
    expect(stderr.toString().match(/Read-only file system/g)).toHaveLength(3)
  })

  test('nothing in /tmp can be run', async () => {
    const { exit } = await docker.run('cp /bin/busybox /tmp/true && /tmp/true', NO_SECRETS, readOnly)
    expect(exit.code).toBe(126)
  })

  test('a second start is refused there too, and removing takes the note of the first with it', async () => {
    const { id, name } = await docker.run('true', NO_SECRETS, readOnly)
    const { Mounts } = await docker.engine.json<{ Mounts: { Type: string; Name: string }[] }>(
      'GET',
      `/containers/${id}/json`,
    )
    const volume = Mounts.find(({ Type }) => Type === 'volume')?.Name
    await docker.engine.json('POST', `/containers/${id}/start`)
    await docker.engine.json('POST', `/containers/${id}/wait`)
    expect((await docker.runtime.find(name))?.exit?.code).toBe(125)
    await docker.runtime.remove(name)
    await expect(docker.engine.json('GET', `/volumes/${volume}`)).rejects.toMatchObject({ status: 404 })
  })

  test('with a terminal', async () => {
    const { stdout } = await docker.run('echo x >/tmp/x && cat /tmp/x', NO_SECRETS, { ...readOnly, tty: true })
    expect(stdout.toString()).toBe('x\r\n')
  })
})

describe('the network', () => {
  test('none: the job is alone', async () => {
    const { stdout } = await docker.run('ls /sys/class/net; cat /proc/net/route | wc -l', NO_SECRETS, {
      limits: LIMITS,
    })
    expect(stdout.toString().split('\n')).toEqual(expect.arrayContaining(['lo', '1']))
    expect(stdout.toString()).not.toContain('eth0')
  })

  test('bridge: an address of its own, and low ports without a capability', async () => {
    const script = 'ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start'
    const { stdout } = await docker.run(script, NO_SECRETS, { limits: { ...LIMITS, network: 'bridge' } })
    expect(stdout.toString()).toMatch(/eth0\nlo\n.*0\n/s)
  })
})

test('what a job may not do, whatever it asks for', async () => {
  const script =
    'for it in "unshare -n true" "mount -t tmpfs x /tmp" "hostname x" "chroot /tmp" "nice -n -5 true" "mknod /tmp/d c 1 3"; do $it >/dev/null 2>&1 && echo "$it"; done; grep -E "Cap(Bnd|Eff)|NoNewPrivs|Seccomp:" /proc/self/status | tr "\\t" " "'
  const { stdout } = await docker.run(script)
  expect(stdout.toString().split('\n')).toEqual([
    'CapEff: 0000000000000000',
    'CapBnd: 0000000000000000',
    'NoNewPrivs: 1',
    'Seccomp: 2',
    '',
  ])
})

test.each([false, true])('where the secrets are, with a read-only root: %s', async readOnly => {
  const script = 'grep " /run/writ " /proc/mounts; stat -c "%a %u %g" /run/writ'
  const { stdout } = await docker.run(script, NO_SECRETS, { limits: { ...LIMITS, readOnly } })
  const [mount = '', owner] = stdout.toString().split('\n')
  const [, , type, options = ''] = mount.split(' ')
  expect(type).toBe('tmpfs')
  // nothing there can be run, and nobody but the job's user can read it
  expect(options.split(',')).toEqual(expect.arrayContaining(['noexec', 'nosuid', 'nodev', 'size=8192k']))
  expect(owner).toBe('700 2001 2001')
})
