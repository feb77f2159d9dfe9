import { describe, expect, test } from 'vitest'
import { Modules } from '../../../../../test/repositories/modules.ts'
import { ObjectReader } from '../object-reader.ts'
import { declaredIn, parseDeclared } from './declared.ts'

const parsed = async (text: string) => Object.fromEntries(await parseDeclared(Buffer.from(text)))
const section = (name: string, path: string, url: string) =>
  `[submodule "${name}"]\n\tpath = ${path}\n\turl = ${url}\n\tbranch = x\n`

test('as git reads it', async () => {
  const text = `# of ours\n${section('a.b/c', 'lib/a', '../a.git')}${section('d', '"with space"', 'https://host/d # no')}`
  expect(await parsed(text)).toEqual({ 'lib/a': '../a.git', 'with space': 'https://host/d' })
  expect(await parsed('')).toEqual({})
  expect(await parsed('[submodule "x"]\n\tpath = x\n[core]\n\tsshCommand = touch hit\n')).toEqual({})
})

test('nothing is included', async () => {
  expect(await parsed('[include]\n\tpath = /etc/gitconfig\n[includeIf "gitdir:/"]\n\tpath = /etc/gitconfig\n')).toEqual(
    {},
  )
})

describe('refused', () => {
  test.each([
    ['a name with ..', section('../../x', 'x', 'y')],
    ['a name with .. and a backslash', section('a\\\\..\\\\x', 'x', 'y')],
    ['an empty name', section('', 'x', 'y')],
    ['a path twice', '[submodule "x"]\n\tpath = a\n\tpath = b\n\turl = c\n'],
    ['a url twice', '[submodule "x"]\n\tpath = a\n\turl = b\n\turl = c\n'],
    ['a section twice', section('x', 'a', 'b') + section('x', 'a', 'b')],
    ['two for one path', section('x', 'a', 'b') + section('y', 'a', 'c')],
    ['a path without a value', '[submodule "x"]\n\tpath\n\turl = b\n'],
    ['an empty url', '[submodule "x"]\n\tpath = a\n\turl =\n'],
    ['what is no configuration', '[submodule "x\n'],
    ['an object of LFS', 'version https://git-lfs.github.com/spec/v1\n'],
  ])('%s', async (_, text) => {
    await expect(parsed(text)).rejects.toMatchObject({ code: 'submodule_invalid' })
  })

  test('what is not UTF-8', async () => {
    const text = Buffer.from(section('x', 'a', 'b\xff'), 'latin1')
    await expect(parseDeclared(text)).rejects.toMatchObject({ code: 'submodule_invalid' })
  })
})

test('a link or a folder in its place, which git would not even send', async () => {
  const modules = new Modules()
  const repository = modules.repository('main')
  const reader = new ObjectReader(repository.path, 1_000_000)
  const real = ['100644', repository.blob(section('x', 'sub', '../x.git')), 'real'] as const
  for (const [mode, id] of [
    ['120000', repository.blob('real')],
    ['040000', repository.mktree([real])],
    ['160000', 'a'.repeat(40)],
  ] as const) {
    const root = repository.mktree([[mode, id, '.gitmodules'], real])
    await expect(declaredIn(reader, root)).rejects.toMatchObject({ code: 'submodule_invalid' })
  }
  expect(await declaredIn(reader, repository.mktree([real]))).toEqual(new Map())
  reader.close()
  modules.close()
})
