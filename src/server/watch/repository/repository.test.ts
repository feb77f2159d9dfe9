import { expect, test } from 'vitest'
import { openRepository } from './repository.ts'

test('an address or a branch that is refused is refused at once', () => {
  const rest = { cacheDirectory: '/nonexistent' }
  expect(() => openRepository({ address: 'ext::sh -c id', branch: 'main', ...rest })).toThrow(
    expect.objectContaining({ code: 'repository_address_invalid' }),
  )
  expect(() => openRepository({ address: 'https://host/x', branch: '--upload-pack=id', ...rest })).toThrow(
    expect.objectContaining({ code: 'repository_branch_invalid' }),
  )
})
