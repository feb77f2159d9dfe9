import { describe, expect, test } from 'vitest'
import type { Watch } from '../store/watches.ts'
import { planOf } from './plan.ts'

const COMMIT = 'c'.repeat(40)
const job = (metadata = '') => `apiVersion: batch/v1
kind: Job
metadata: {${metadata}}
spec: {template: {spec: {containers: [{name: main, image: 'tools@sha256:x'}]}}}
`
const LOGIN = { name: 'team', url: 'https://team.example:8200', vault_cacert: '' }
const configuration = { git_repo_url: 'https://example/x', git_branch_name: 'main', docker_image: 'busybox@sha256:x' }
const ROW: object = {
  name: 'app',
  configuration: { ...configuration, commands: ['true'] },
  access: null,
  vaults: null,
  kubernetes_namespace: null,
}
const watch = (more: object) => ({ ...ROW, ...more }) as Watch
const plan = (more: object, namespaces: string[] = ['ci', 'prod']) => planOf(watch(more), COMMIT, [], namespaces)

describe('the plan of a watch with a template', () => {
  test('is what the template says, and nothing of image and commands', () => {
    expect(plan({ kubernetes_job: job('namespace: prod'), vaults: [LOGIN] })).toMatchObject({
      image: 'tools@sha256:x',
      commands: [],
      kubernetes: { namespace: 'prod', template: job('namespace: prod'), vaults: [LOGIN] },
    })
    expect(plan({ kubernetes_job: null }).kubernetes).toBeUndefined()
    expect(plan({ kubernetes_job: null, vaults: [LOGIN] })).toEqual(plan({ kubernetes_job: null }))
  })

  // the attack: the namespace that is first now is one that whoever wrote the template may not use
  test('is for the namespace that it was written for, and not for the one that is first now', () => {
    const written = { kubernetes_job: job(), kubernetes_namespace: 'ci' }
    expect(plan(written, ['prod', 'ci']).kubernetes?.namespace).toBe('ci')
    expect(() => plan(written, ['prod'])).toThrow(expect.objectContaining({ code: 'namespace_unavailable' }))
    expect(() => plan({ kubernetes_job: job() })).toThrow(expect.objectContaining({ code: 'namespace_unavailable' }))
  })

  test.each([
    ['a server without Kubernetes', job(), []],
    ['a namespace that is not allowed any more', job('namespace: kube-system'), ['ci']],
  ])('%s: it runs nowhere, and not on the container engine', (_, kubernetes_job, namespaces) => {
    expect(() => plan({ kubernetes_job }, namespaces)).toThrow(
      expect.objectContaining({ code: 'namespace_unavailable' }),
    )
  })

  test('a template that an older version has kept is checked as a new one is', () => {
    const old = job('namespace: ci').replace('spec: {', 'spec: {backoffLimit: 6, ')
    expect(() => plan({ kubernetes_job: old })).toThrow(expect.objectContaining({ code: 'watch_field_invalid' }))
  })
})
