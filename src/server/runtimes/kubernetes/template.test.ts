import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type KubernetesSpec, manifestOf } from './manifest.ts'
import { parseTemplate, TemplateRefused } from './template.ts'

const container = {
  name: 'main',
  image: 'busybox',
  command: ['sh', '-c', 'echo {{GIT_COMMIT}} {{ GIT_COMMIT }} {{.Other}}'],
}
const job = (pod: object = {}, spec: object = {}, metadata: object = { name: 'x' }) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata,
  spec: { ...spec, template: { spec: { containers: [container], ...pod } } },
})
const main = (more: object) => ({ containers: [{ ...container, ...more }] })
const env = (...variables: object[]) => main({ env: variables })
const COMMIT = 'c'.repeat(40)
const spec = (template: object, more: Partial<KubernetesSpec> = {}): KubernetesSpec => ({
  name: `writ-${'a'.repeat(24)}`,
  labels: { 'writ.job': 'a'.repeat(24), 'writ.attempt': '3' },
  template: stringify(template, { aliasDuplicateObjects: false }),
  commit: COMMIT,
  env: ['VAULT_ADDR=https://vault'],
  secretEnv: ['VAULT_REQUEST_TOKEN_A'],
  files: [],
  deadlineSeconds: 90,
  ...more,
})
// biome-ignore lint/suspicious/noExplicitAny: a Job, of the shape that the test asks for
const made = (template: object, more?: Partial<KubernetesSpec>) => manifestOf(spec(template, more), 'ci') as any

test.each<[string, object | string]>([
  ['nothing', ''],
  ['a pod', { apiVersion: 'v1', kind: 'Pod' }],
  ['another kind', { ...job(), kind: 'CronJob' }],
  ['another version', { ...job(), apiVersion: 'batch/v1beta1' }],
  ['no YAML', '{'],
  ['two documents', `${stringify(job())}---\n${stringify(job())}`],
  ['aliases', 'apiVersion: batch/v1\nkind: Job\nmetadata: &a {}\nspec: {template: {metadata: *a, spec: {}}}\n'],
  // a few lines of them expand to gigabytes
  ['one alias, which is used once', stringify(job()).replace('name: x', 'name: &a x\n  namespace: *a')],
  ['a page', `# ${'x'.repeat(70_000)}\n${stringify(job())}`],
  ['no spec', { apiVersion: 'batch/v1', kind: 'Job', metadata: {} }],
  ['no container', job({ containers: [] })],
  // whose output and whose exit code?
  ['two containers', job({ containers: [container, { ...container, name: 'other' }] })],
  ['a container that is none', job({ containers: ['x'] })],
  ['a container without image', job(main({ image: undefined }))],
  // would run a commit twice
  ['attempts of its own', job({}, { backoffLimit: 3 })],
  ['several pods', job({}, { parallelism: 2 })],
  ['several completions', job({}, { completions: 2 })],
  ['a policy for failures', job({}, { podFailurePolicy: { rules: [] } })],
  ['another controller', job({}, { managedBy: 'evil.example/x' })],
  ['pods that start again', job({ restartPolicy: 'OnFailure' })],
  ['a container that starts again', job(main({ restartPolicy: 'Always' }))],
  ['a side car', job({ initContainers: [{ ...container, name: 'side', restartPolicy: 'Always' }] })],
  // would take it away before its end is on record
  ['a life after its end', job({}, { ttlSecondsAfterFinished: 1 })],
  ['a deadline of its own', job({}, { activeDeadlineSeconds: 5 })],
  ['one of the pod', job({ activeDeadlineSeconds: 5 })],
  ['pods of others', job({}, { selector: { matchLabels: { a: 'b' } }, manualSelector: true })],
  ['an unknown field', job({}, { newInTheNextVersion: true })],
  ['an unknown field of the Job', { ...job(), other: {} }],
  ['an unknown field of the pod', { ...job(), spec: { template: { ...job().spec.template, other: {} } } }],
  ['our labels', job({}, {}, { name: 'x', labels: { 'writ.job': 'x' } })],
  ['our mark', job({}, {}, { annotations: { 'writ.started': 'x' } })],
  ['a finalizer', job({}, {}, { finalizers: ['evil.example/x'] })],
  ['an owner', job({}, {}, { ownerReferences: [] })],
  ['a namespace that is a path', job({}, {}, { namespace: '../kube-system' })],
  ['our volume', job({ volumes: [{ name: 'writ-files', emptyDir: {} }] })],
  ['something over our files', job(main({ volumeMounts: [{ name: 'x', mountPath: '/run//writ/ca.crt' }] }))],
  // would put tokens where everybody reads them
  ['the tokens in a command', job(main({ args: ['{{VAULTS_B64_JSON}}'] }))],
  ['the tokens in a label', job({}, {}, { labels: { a: '{{VAULTS_B64_JSON}}' } })],
  ['the tokens in a key', job({}, {}, { annotations: { '{{VAULTS_B64_JSON}}': 'x' } })],
  ['more than the tokens in a variable', job(env({ name: 'A', value: 'x{{VAULTS_B64_JSON}}' }))],
  ['the tokens in the name of a variable', job(env({ name: '{{VAULTS_B64_JSON}}', value: 'x' }))],
  [
    'the tokens in something else that has a name and a value',
    job(main({ startupProbe: { httpGet: { port: 1, httpHeaders: [{ name: 'A', value: '{{VAULTS_B64_JSON}}' }] } } })),
  ],
  ['a variable without a name', job(env({ value: 'x' }))],
  ['a variable with an empty name', job(env({ name: '', value: 'x' }))],
  ['a variable whose name is a number', job(env({ name: 5, value: 'x' }))],
  ['tokens of its own', job(env({ name: 'VAULTS_B64_JSON', value: 'W10=' }))],
  ['another commit', job(env({ name: 'GIT_COMMIT', value: 'main' }))],
  ['a request of its own', job(env({ name: 'VAULT_REQUEST_TOKEN_A', value: 'x' }))],
  ['a variable twice', job(env({ name: 'A', value: 'x' }, { name: 'A', value: 'y' }))],
  [
    'the Secret of another job',
    job(env({ name: 'A', valueFrom: { secretKeyRef: { name: `writ-${'b'.repeat(24)}-1`, key: 'VAULTS_B64_JSON' } } })),
  ],
])('a template with %s is refused', (_, template) => {
  const text = typeof template === 'string' ? template : stringify(template, { aliasDuplicateObjects: false })
  expect(() => parseTemplate(text)).toThrow(TemplateRefused)
})

test('what kubectl writes, and what is for the administrator of the namespace to allow, is taken', () => {
  const pod = { serviceAccountName: 'deploy', hostNetwork: true, volumes: [{ name: 'v', hostPath: { path: '/' } }] }
  const template = {
    ...job(pod, { backoffLimit: 0, suspend: false }, { name: 'x', creationTimestamp: null }),
    status: {},
  }
  expect(parseTemplate(stringify(template))).toMatchObject({ namespace: '', image: 'busybox', images: ['busybox'] })
  expect(made(template).spec.template.spec).toMatchObject(pod)
})

test('the images of all of its containers are known: those of init containers run with the same rights', () => {
  const init = (image: string) => ({ ...container, name: 'init', image })
  const template = job({ initContainers: [init('git:1'), init('git:2')] })
  const { image, images } = parseTemplate(stringify(template, { aliasDuplicateObjects: false }))
  expect(image).toBe('busybox')
  expect(images).toEqual(['busybox', 'git:1', 'git:2'])
})

test('a Job of ours: suspended, once, with our name, and its commit where the template wants it', () => {
  const { metadata, spec: what } = made(job({}, {}, { name: 'mine', labels: { team: 'a' } }))
  expect(metadata).toMatchObject({
    name: `writ-${'a'.repeat(24)}`,
    namespace: 'ci',
    labels: { team: 'a', 'writ.job': 'a'.repeat(24) },
  })
  expect(what).toMatchObject({
    suspend: true,
    backoffLimit: 0,
    parallelism: 1,
    completions: 1,
    activeDeadlineSeconds: 90,
  })
  expect(what.template.metadata.labels['writ.job']).toBe('a'.repeat(24))
  const { restartPolicy, containers } = what.template.spec
  expect(restartPolicy).toBe('Never')
  expect(containers[0].command[2]).toBe(`echo ${COMMIT} ${COMMIT} {{.Other}}`)
})

test('secrets are references to a Secret of this attempt, which must be there', () => {
  const secret = `writ-${'a'.repeat(24)}-3`
  const ref = (name: string, key = name) => ({ name, valueFrom: { secretKeyRef: { name: secret, key } } })
  const own = [
    { name: 'LIST', value: '{{ VAULTS_B64_JSON }}' },
    { name: 'VAULT_ADDR', value: 'https://mine' },
  ]
  const init = { name: 'clone', image: 'git', env: [{ name: 'VAULTS_B64_JSON', value: '{{VAULTS_B64_JSON}}' }] }
  const { containers, initContainers, volumes } = made(job({ ...env(...own), initContainers: [init] }), {
    files: ['ca.crt'],
  }).spec.template.spec
  expect(containers[0].env).toEqual([
    ref('LIST', 'VAULTS_B64_JSON'),
    own[1],
    { name: 'GIT_COMMIT', value: COMMIT },
    ref('VAULTS_B64_JSON'),
    ref('VAULT_REQUEST_TOKEN_A'),
  ])
  // an init container gets no token that it does not name
  expect(initContainers[0].env).toEqual([ref('VAULTS_B64_JSON'), { name: 'GIT_COMMIT', value: COMMIT }])
  expect(containers[0].volumeMounts).toEqual([{ name: 'writ-files', mountPath: '/run/writ', readOnly: true }])
  expect(volumes).toEqual([
    { name: 'writ-files', secret: { secretName: secret, items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
  ])
})

test('what is odd in it is not written to standard error, where it would be a line of the log', async () => {
  const seen: string[] = []
  const look = ({ message }: Error) => void seen.push(message)
  process.on('warning', look)
  for (const text of [`%FORGED\n---\n${stringify(job())}`, '? {"level":50}\n: x\n'])
    try {
      parseTemplate(text)
    } catch (error) {
      expect(error).toBeInstanceOf(TemplateRefused)
    }
  await setImmediate()
  process.off('warning', look)
  expect(seen).toEqual([])
})
