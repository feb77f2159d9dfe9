import type { Duplex } from 'node:stream'
import type { ContainerSpec } from '../runtime.ts'
import { gateEntrypoint, IMAGE_SHELL } from './gate.ts'

/** What a start needs to know of a container. */
export interface Made {
  readonly tty: boolean
  readonly entrypoint: readonly string[]
  /** Whose network it is in. */
  readonly slot: string | null
}

/** Made by this process, never started, and already connected to, or just being so. */
export interface Fresh extends Made {
  readonly socket: Promise<Duplex>
}

/** A node that lost a job before its start does not say so: the oldest connection is let go for the newest. */
const MOST = 64

/** Containers that this process made and has not started: nothing has to be asked about them, and what can be done before the start is. */
export class MadeContainers {
  readonly #made = new Map<string, Fresh & { readonly name: string }>()

  add(id: string, { name, image, tty }: ContainerSpec, slot: string | null, socket: Promise<Duplex>): void {
    socket.catch(() => {})
    this.#made.set(id, { name, tty, entrypoint: gateEntrypoint(image.shell ?? IMAGE_SHELL, tty), slot, socket })
    for (const [oldest, made] of this.#made) {
      if (this.#made.size <= MOST) break
      this.#drop(oldest, made)
    }
  }

  /** For its start, so once. */
  take(id: string): Fresh | undefined {
    const made = this.#made.get(id)
    this.#made.delete(id)
    return made
  }

  /** It is gone, or will be. */
  forget(container: string): void {
    for (const [id, made] of this.#made) if (id === container || made.name === container) this.#drop(id, made)
  }

  #drop(id: string, { socket }: Fresh): void {
    this.#made.delete(id)
    socket.then(
      open => open.destroy(),
      () => {},
    )
  }
}
