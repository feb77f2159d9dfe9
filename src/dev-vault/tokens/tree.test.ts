import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Clock } from '../clock.ts'
import type { Lease } from '../leases/lease.ts'
import { Leases } from '../leases/leases.ts'
import type { Mount } from '../routing/backend.ts'
import { leaseIdOf, type TokenEntry } from './entry.ts'
import { Tokens } from './tokens.ts'

/** What a token is to someone who knows nothing of how the store works. Times in seconds. */
interface Plain {
  parent: Plain | undefined
  ends: number
  revoked: boolean
  /** When its lease ends, if it has one. */
  lease: number
}

type Operation =
  | { readonly do: 'create' | 'lease'; readonly which: number; readonly ttl: number }
  | { readonly do: 'revoke' | 'revokeOrphan' | 'renew'; readonly which: number; readonly ttl: number }
  | { readonly do: 'orphan'; readonly ttl: number }
  | { readonly do: 'wait'; readonly ttl: number }
  | { readonly do: 'sweep' }

const which = fc.nat({ max: 40 })
const ttl = fc.integer({ min: 1, max: 8 })
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('create' as const), which, ttl }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lease' as const), which, ttl }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('revoke' as const, 'revokeOrphan', 'renew'), which, ttl }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('orphan' as const), ttl }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ttl }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
)

/** The store and the plain model beside each other. */
class Pair {
  now = 0
  readonly clock = new Clock(() => this.now * 1000)
  readonly leases = new Leases(this.clock)
  readonly tokens = new Tokens(this.clock, this.leases)
  readonly made: { plain: Plain; token: TokenEntry; lease?: Lease }[] = []
  readonly givenBack = new Set<unknown>()
  readonly #mount = {
    path: 'db/',
    backend: {
      help: '',
      routes: [],
      revokeSecret: async (secret: { id: number }) => void this.givenBack.add(secret.id),
    },
  } as unknown as Mount

  lives({ parent, ends, revoked }: Plain): boolean {
    return !revoked && ends > this.now && (parent === undefined || this.lives(parent))
  }

  async run(step: Operation): Promise<void> {
    if (step.do === 'wait') this.now += step.ttl
    else if (step.do === 'sweep') await Promise.all([this.leases.sweep(), this.tokens.sweep()])
    else if (step.do === 'orphan') this.#create(undefined, step.ttl)
    else {
      const living = this.made.filter(({ plain }) => this.lives(plain))
      const chosen = living[step.which % living.length]
      if (chosen) await this.#change(chosen, step)
    }
  }

  #create(parent: (typeof this.made)[number] | undefined, seconds: number): void {
    const token = this.tokens.create({ policies: [], path: 'auth/token/create', ttl: seconds, parent: parent?.token })
    const plain = { parent: parent?.plain, ends: this.now + seconds, revoked: false, lease: 0 }
    this.made.push({ plain, token })
  }

  async #change(chosen: (typeof this.made)[number], step: Operation & { which: number; ttl: number }): Promise<void> {
    const { plain, token } = chosen
    if (step.do === 'create') this.#create(chosen, step.ttl)
    if (step.do === 'lease' && !chosen.lease) {
      const internal = { id: this.made.indexOf(chosen) }
      chosen.lease = this.leases.register('db/creds/x', this.#mount, token, { ttl: step.ttl, maxTtl: 0, internal })
      plain.lease = this.now + step.ttl
    }
    if (step.do === 'renew') {
      this.tokens.renew(token, step.ttl)
      plain.ends = this.now + step.ttl
    }
    if (step.do === 'revokeOrphan') {
      for (const child of this.made) if (child.plain.parent === plain) child.plain.parent = undefined
      plain.revoked = true
      await this.tokens.revokeOrphan(token)
    }
    if (step.do === 'revoke') {
      plain.revoked = true
      await this.tokens.revoke(token)
    }
  }

  compare(): void {
    const living = this.made.filter(({ plain }) => this.lives(plain))
    for (const { plain, token, lease } of this.made) {
      const expected = this.lives(plain) ? token : undefined
      expect(this.tokens.find(token.id)).toBe(expected)
      expect(this.tokens.byAccessor(token.accessor)).toBe(expected)
      expect(this.tokens.byLease(leaseIdOf(token))).toBe(expected)
      // A token that is revoked takes its leases along at once; one that ends by time when the sweep comes by.
      if (lease && plain.revoked) expect(this.leases.find(lease.id)).toBeUndefined()
    }
    expect(new Set(this.tokens.accessors())).toEqual(new Set(living.map(({ token }) => token.accessor)))
  }
}

it('whatever is made, revoked and left to end: a token lives as long as its whole line does, and its leases no longer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 60, size: 'max' }), async steps => {
      const pair = new Pair()
      for (const step of steps) {
        await pair.run(step)
        pair.compare()
      }
      await pair.run({ do: 'sweep' })
      for (const [id, { plain, lease }] of pair.made.entries()) {
        if (!lease) continue
        const over = !pair.lives(plain) || plain.lease <= pair.now
        expect(pair.givenBack.has(id)).toBe(over)
        expect(pair.leases.find(lease.id) === undefined).toBe(over)
      }
    }),
    { numRuns: 500 },
  )
})
