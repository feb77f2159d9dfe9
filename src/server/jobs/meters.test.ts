import { expect, test } from 'vitest'
import { Meters, operationOf } from './meters.ts'

test.each([
  ['GET', 'auth/token/lookup-self', 'auth/token/lookup-self'],
  ['POST', 'transit/encrypt/writ-server', 'transit/encrypt'],
  ['POST', 'auth/approle/login', 'login'],
  ['POST', 'auth/userpass/login/alice', 'login'],
  ['GET', 'cubbyhole/job', 'cubbyhole'],
  ['GET', 'secret/data/production/password', 'read'],
  ['GET', 'transit/encryption', 'read'],
  ['POST', 'database/creds/x', 'other'],
])('%s %s is counted as %s', (method, path, operation) => {
  expect(operationOf(method, path)).toBe(operation)
})

test('waits, runs and ends are counted, and a clock that is behind does not count backwards', async () => {
  const meters = new Meters()
  const at = (seconds: number) => new Date(seconds * 1000)
  meters.ended('success', '', { submitted: at(100), started: at(103), ended: at(163) })
  meters.ended('failed', 'job_killed', { submitted: at(100), started: at(99), ended: at(98) })
  meters.ended('failed', 'job_killed', { submitted: at(100), started: null, ended: at(101) })
  const text = await meters.registry.metrics()
  expect(text).toContain('writ_jobs_ended_total{status="success",code="none"} 1')
  expect(text).toContain('writ_jobs_ended_total{status="failed",code="job_killed"} 2')
  expect(text).toContain('writ_job_wait_seconds_sum 3\n')
  expect(text).toContain('writ_job_run_seconds_sum 60\n')
  expect(text).toContain('writ_job_run_seconds_count 2\n')
})

test('a thousand secrets are one operation', async () => {
  const meters = new Meters()
  for (let i = 0; i < 1_000; i += 1) meters.vaultCall({ method: 'GET', path: `kv/data/${i}`, outcome: 'ok', ms: 1 })
  expect(
    (await meters.registry.metrics()).split('\n').filter(line => line.includes('_duration_seconds_count')),
  ).toEqual(['writ_vault_request_duration_seconds_count{operation="read",outcome="ok"} 1000'])
})
