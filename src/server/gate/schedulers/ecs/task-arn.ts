/** What is in the ARN of a task: `arn:aws:ecs:<region>:<account>:task/[<cluster>/]<id>`. */
export interface TaskArn {
  readonly region: string
  /** Undefined in the old, short form. */
  readonly cluster: string | undefined
  readonly id: string
}

const ID = '[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const NAME = '[A-Za-z0-9_-]{1,255}'
const ARN = `arn:aws[a-z-]*:ecs:[a-z0-9-]{1,32}:\\d{12}:task/(?:${NAME}/)?(?:${ID})`

/** An id as ECS gives it to a task, or its whole ARN. */
export const TASK_ID = new RegExp(`${ID}|${ARN}`)

/** Of an id that has passed the grammar; undefined for a bare one. */
export function parseTaskArn(text: string): TaskArn | undefined {
  if (!text.startsWith('arn:')) return undefined
  const [, , , region = '', , resource = ''] = text.split(':')
  const parts = resource.split('/')
  return { region, cluster: parts.length === 3 ? parts[1] : undefined, id: parts.at(-1) ?? '' }
}

const CLUSTER = new RegExp(`^(?:arn:aws[a-z-]*:ecs:([a-z0-9-]{1,32}):\\d{12}:cluster/)?(${NAME})$`)

/** A cluster by its name or its ARN. Throws an Error for the configuration. */
export function parseCluster(text: string): { readonly name: string; readonly region: string | undefined } {
  const [, region, name] = CLUSTER.exec(text) ?? []
  if (!name) throw new Error('has a cluster that is neither a name nor an ARN')
  return { name, region }
}
