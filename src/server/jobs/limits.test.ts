import { describe, expect, test } from 'vitest'
import { askedLimits, type LimitSettings, resolveLimits } from './limits.ts'

const MIB = 2 ** 20
const settings: LimitSettings = {
  jobMemory: 512 * MIB,
  maxJobMemory: 0,
  jobCpus: 0,
  maxJobCpus: 0,
  jobPids: 100,
  maxJobPids: 200,
  jobNetwork: 'bridge',
  allowedNetworks: ['none', 'builds'],
}
const resolve = (job: object, more: Partial<LimitSettings> = {}) =>
  resolveLimits({ ...settings, ...more }, askedLimits(job))

test('what a job does not ask for is as the settings say', () => {
  const defaults = { memoryBytes: 512 * MIB, cpus: 0, pids: 100, network: 'bridge', readOnly: false }
  expect(resolve({})).toEqual(defaults)
  expect(resolve({ limits: {}, network: '', read_only: false })).toEqual(defaults)
})

test.each<[string | number, number]>([
  ['64m', 64 * MIB],
  ['65536K', 64 * MIB],
  [String(64 * MIB), 64 * MIB],
  [64 * MIB, 64 * MIB],
])('memory of %j', (memory, bytes) => {
  expect(resolve({ limits: { memory } }).memoryBytes).toBe(bytes)
})

test.each(['64 m', '-1', '1.5g', 'm', '1t', '', '64mb'])('memory of %j is no amount', memory => {
  expect(() => askedLimits({ limits: { memory } })).toThrow(expect.objectContaining({ code: 'body_invalid' }))
})

describe('within what the administrator allows', () => {
  test.each<[object, object]>([
    [{ limits: { memory: '512m', cpus: 0.5, pids: 200 } }, { memoryBytes: 512 * MIB, cpus: 0.5, pids: 200 }],
    [{ network: 'builds' }, { network: 'builds' }],
    [{ network: 'bridge' }, { network: 'bridge' }],
    [{ read_only: true }, { readOnly: true }],
  ])('%j', (job, limits) => {
    expect(resolve(job)).toMatchObject(limits)
  })

  test.each<[object, string, Partial<LimitSettings>?]>([
    [{ limits: { memory: 512 * MIB + 1 } }, 'limit_refused'],
    [{ limits: { memory: '1g' } }, 'limit_refused', { maxJobMemory: 1024 * MIB - 1 }],
    [{ limits: { memory: 1024 } }, 'limit_refused'],
    [{ limits: { pids: 201 } }, 'limit_refused'],
    [{ limits: { pids: 1 } }, 'limit_refused'],
    [{ limits: { pids: 0 } }, 'limit_refused'],
    [{ limits: { cpus: 0 } }, 'limit_refused'],
    [{ limits: { cpus: -1 } }, 'limit_refused'],
    [{ limits: { cpus: 2 } }, 'limit_refused', { jobCpus: 1 }],
    [{ limits: { cpus: 3 } }, 'limit_refused', { jobCpus: 1, maxJobCpus: 2 }],
    [{ network: 'host' }, 'network_refused'],
    [{ network: 'container:0123' }, 'network_refused'],
    [{ network: 'default' }, 'network_refused'],
    [{ network: 'none' }, 'network_refused', { allowedNetworks: [] }],
    [{ read_only: true, content: 'targz,' }, 'body_invalid'],
  ])('and not beyond it: %j', (job, code, more) => {
    expect(() => resolve(job, more)).toThrow(expect.objectContaining({ code }))
  })
})
