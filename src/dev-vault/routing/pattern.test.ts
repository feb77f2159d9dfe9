import { describe, expect, it } from 'vitest'
import type { Backend } from './backend.ts'
import { matchRoute, pathListed } from './pattern.ts'

const backend: Backend = {
  help: '',
  routes: [
    { path: 'role', help: 'roles' },
    { path: 'role/:name', help: 'a role' },
    { path: 'role/:name/secret-id', help: 'secret ids' },
    { path: 'data/:path*', help: 'data' },
    { path: 'a.b', help: 'a dot' },
  ],
}

describe('matchRoute', () => {
  it.each([
    ['role', 'role', {}],
    ['role/', 'role', {}],
    ['role/x', 'role/:name', { name: 'x' }],
    ['role/x/secret-id/', 'role/:name/secret-id', { name: 'x' }],
    ['data/a/b', 'data/:path*', { path: 'a/b' }],
    ['data/a/', 'data/:path*', { path: 'a/' }],
    ['data/a\nb', 'data/:path*', { path: 'a\nb' }],
    ['a.b', 'a.b', {}],
  ])('%j is %s', (path, route, params) => {
    const match = matchRoute(backend, path)
    expect(match?.route.path).toBe(route)
    expect(match?.params).toEqual(params)
  })

  it.each(['rolex', 'role/x/y', 'aXb', ''])('%j is nothing', path => expect(matchRoute(backend, path)).toBeUndefined())
})

it('lists paths exactly or by prefix', () => {
  expect(pathListed('login', ['login'])).toBe(true)
  expect(pathListed('login/x', ['login'])).toBe(false)
  expect(pathListed('login/x', ['login/*'])).toBe(true)
  expect(pathListed('login', undefined)).toBe(false)
})
