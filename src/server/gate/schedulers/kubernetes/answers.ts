import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { WritError } from '../../../../protocol/errors.ts'

// What is used of the Kubernetes API's answers: authentication.k8s.io/v1 and v1.

const text = Type.String({ maxLength: 1_024 })
const time = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT' })

const review = Compile(
  Type.Object({
    kind: Type.Literal('TokenReview'),
    status: Type.Object({
      authenticated: Type.Optional(Type.Boolean()),
      audiences: Type.Optional(Type.Array(text)),
      user: Type.Optional(
        Type.Object({
          username: Type.Optional(text),
          extra: Type.Optional(Type.Record(Type.String(), Type.Array(text))),
        }),
      ),
    }),
  }),
)

const Pod = Type.Object({
  kind: Type.Literal('Pod'),
  metadata: Type.Object({ name: text, namespace: text, uid: text, deletionTimestamp: Type.Optional(text) }),
  spec: Type.Object({ serviceAccountName: Type.Optional(text), nodeName: Type.Optional(text) }),
  status: Type.Object({
    phase: Type.Optional(text),
    podIPs: Type.Optional(Type.Array(Type.Object({ ip: text }))),
    containerStatuses: Type.Optional(
      Type.Array(
        Type.Object({
          name: text,
          image: Type.Optional(text),
          state: Type.Optional(Type.Object({ running: Type.Optional(Type.Object({ startedAt: time })) })),
        }),
      ),
    ),
  }),
})
export type Pod = Static<typeof Pod>
const pod = Compile(Pod)

/** Whom the API server has recognised. */
export interface Bearer {
  readonly namespace: string
  readonly account: string
  readonly pod: string
  readonly uid: string
}

const ACCOUNT = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/
const POD_NAME = 'authentication.kubernetes.io/pod-name'
const POD_UID = 'authentication.kubernetes.io/pod-uid'

/** The pod that a token is bound to. Throws `task_foreign` for any other token, `scheduler_lied` for an answer that is no review. */
export function bearerOf(answer: unknown, audience: string): Bearer {
  if (!review.Check(answer)) throw new WritError('scheduler_lied', "not Kubernetes' review of a token")
  const { authenticated, audiences, user } = answer.status
  if (authenticated !== true) throw new WritError('task_foreign', 'its token is not accepted')
  // a server that does not know audiences would accept a token that was made for somebody else
  if (!audiences?.includes(audience)) throw new WritError('task_foreign', 'its token is not for this gate')
  const [, namespace, account] = ACCOUNT.exec(user?.username ?? '') ?? []
  const [names, uids] = [user?.extra?.[POD_NAME], user?.extra?.[POD_UID]]
  if (!namespace || !account) throw new WritError('task_foreign', 'its token is not that of a service account')
  if (names?.length !== 1 || uids?.length !== 1) throw new WritError('task_foreign', 'its token is not bound to a pod')
  return { namespace, account, pod: names[0] as string, uid: uids[0] as string }
}

export function podOf(answer: unknown): Pod {
  if (!pod.Check(answer)) throw new WritError('scheduler_lied', "not Kubernetes' pod")
  return answer
}
