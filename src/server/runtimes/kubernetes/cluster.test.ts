import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { selfSigned } from '../../../../test/certificate.ts'
import { findCluster } from './cluster.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-cluster-'))
afterAll(() => rmSync(folder, { recursive: true }))
const certificate = selfSigned()
const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca.crt')]
writeFileSync(tokenFile, 'a-token\n')
writeFileSync(caFile, certificate.cert)

describe('where the API server is', () => {
  const inCluster = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '6443' }
  test('the cluster says it, or the operator', () => {
    expect(findCluster({ caFile, tokenFile }, inCluster)).toMatchObject({
      origin: 'https://10.0.0.1:6443',
      ca: certificate.cert,
    })
    expect(findCluster({ caFile }, { KUBERNETES_SERVICE_HOST: 'fd00::1' }).origin).toBe('https://[fd00::1]')
    expect(findCluster({ server: 'https://api:6443' }, inCluster)).toMatchObject({
      origin: 'https://api:6443',
      ca: undefined,
    })
  })

  test.each([undefined, 'http://api:6443', 'api', 'https://u:p@api', 'https://api/path', 'https://api?x=1'])(
    'not %s',
    server => {
      expect(() => findCluster({ server }, {})).toThrow('Kubernetes API server')
    },
  )
})
