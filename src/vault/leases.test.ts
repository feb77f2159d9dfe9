import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../../test/dev-vault.ts'
import { FakeServer, json } from '../../test/fake-server.ts'
import { Vault } from './client.ts'
import { renewLease, revokeLease } from './leases.ts'

let stack: TestVault
beforeAll(async () => {
  stack = await startTestVault()
})
afterAll(() => stack.close())

test('a lease that is not there: nothing to end, nothing to renew', async () => {
  await revokeLease(stack.vault, stack.root, 'database/creds/app/none')
  await expect(renewLease(stack.vault, stack.root, 'database/creds/app/none')).rejects.toMatchObject({
    kind: 'invalid',
  })
})

test('the lease goes in the body, and the new seconds come back', async () => {
  const fake = await FakeServer.listen(response => json(response, 200, { lease_id: 'a/b', lease_duration: 90 }))
  const vault = new Vault({ address: fake.address })
  expect(await renewLease(vault, stack.root, 'a/b')).toBe(90)
  expect(fake.seen[0]).toMatchObject({ method: 'PUT', url: '/v1/sys/leases/renew', body: '{"lease_id":"a/b"}' })
  await vault.close()
  await fake.close()
})
