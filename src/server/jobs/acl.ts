import { WritError } from '../../protocol/errors.ts'
import { type Capability, capabilities } from '../../vault/capabilities.ts'
import { asUnavailable, type Caller, queuePath } from './caller.ts'
import type { Engine } from './engine.ts'
import { fullImageName } from './image-name.ts'
import type { Order } from './order.ts'

/**
 * With WRIT_REQUIRE_ACL: may the caller put jobs into this queue, and run this image? For a sealed job both are what was sealed. The
 * order that comes back names the image in full: what was allowed is what is run, also by an engine that completes short names in a
 * way of its own. Throws `queue_not_permitted`, `image_not_permitted`, `vault_unavailable`.
 */
export async function requireAcl(engine: Engine, caller: Caller, order: Order): Promise<Order> {
  if (!engine.settings.requireAcl) return order
  const image = fullImageName(order.image)
  // what has no full name cannot be what a policy allows
  if (image === null) throw new WritError('image_not_permitted', 'it is not an image reference that has one meaning')
  const paths = [queuePath(order.qname), `writ/images/${image}`]
  let granted: Capability[][]
  try {
    granted = await capabilities(engine.vault, caller.token, paths)
  } catch (error) {
    throw asUnavailable(error)
  }
  const [queue = [], images = []] = granted
  if (!mayCreate(queue)) throw new WritError('queue_not_permitted')
  if (!mayCreate(images)) throw new WritError('image_not_permitted')
  return { ...order, image }
}

function mayCreate(granted: readonly Capability[]): boolean {
  return granted.includes('create') || granted.includes('root')
}
