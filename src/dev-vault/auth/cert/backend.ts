import type { X509Certificate } from 'node:crypto'
import { addressAllowed } from '../../cidr.ts'
import type { Core } from '../../core.ts'
import { refuse } from '../../errors.ts'
import type { Answer, Backend, Call } from '../../routing/backend.ts'
import { recordRoutes } from '../../routing/record-routes.ts'
import type { VaultRequest } from '../../routing/request.ts'
import { limitsOf, loginOf } from '../token-params.ts'
import { goodForClients, sentChain } from './chain.ts'
import { namesOf } from './names.ts'
import { allowsNames, type CertRole, changeRole, showRole, trusts } from './role.ts'

/** TLS certificates: the connection has proved that the client holds the key; here it is decided what that is worth. */
export function certBackend(core: Core): Backend {
  const roles = new Map<string, CertRole>()
  let disableBinding = false
  const nameOf = (call: Call) => (call.params.name as string).toLowerCase()

  /** The role that takes the certificate: the named one, else the first. */
  const roleFor = (own: X509Certificate, name: string): [string, CertRole] => {
    const now = core.clock.now()
    const candidates = [...roles].filter(([found]) => name === '' || found === name)
    const sent = sentChain(own)
    const trusting = goodForClients(own, now) ? candidates.filter(([, role]) => trusts(role, sent, now)) : []
    if (trusting.length === 0) throw refuse(400, 'invalid certificate or no client certificate supplied')
    const names = namesOf(own)
    const found = trusting.find(([, role]) => allowsNames(role, names))
    if (found) return found
    throw refuse(400, 'no chain matching all constraints could be found for this login certificate')
  }

  const login = ({ fields, request }: Call): Answer => {
    const own = certificateIn(request)
    const [name, role] = roleFor(own, fields.text('name').toLowerCase())
    if (!addressAllowed(request.address, role.params.boundCidrs)) throw refuse(403, 'permission denied')
    const { common } = namesOf(own)
    // All who have no name would be one entity.
    if (common === '') throw refuse(400, 'missing name in alias')
    return {
      login: {
        ...loginOf(role.params),
        displayName: role.displayName,
        metadata: {
          cert_name: name,
          common_name: common,
          serial_number: BigInt(`0x${own.serialNumber}`).toString(),
        },
        alias: common,
        internal: { role: name, issuer: own.issuer, key: keyOf(own) },
      },
    }
  }

  return {
    help: 'The "cert" credential provider allows authentication using TLS client certificates.',
    open: ['login'],
    routes: [
      {
        path: 'config',
        help: 'Whether a renewal needs the certificate of the login.',
        read: () => ({ data: { disable_binding: disableBinding } }),
        write: ({ fields }) => {
          disableBinding = fields.flag('disable_binding', disableBinding)
          return undefined
        },
      },
      ...recordRoutes({
        path: 'certs',
        noun: 'trusted certificate',
        records: roles,
        nameOf,
        change: (call, before) => changeRole(nameOf(call), call.fields, before),
        show: showRole,
      }),
      { path: 'login', help: 'Logs in with the certificate of the connection.', write: login },
    ],
    renewLogin: (token, request) => {
      const name = String(token.internal.role)
      const role = roles.get(name)
      if (!role) throw refuse(500, 'role does not exist during renewal')
      if (disableBinding) return limitsOf(role.params)
      const own = certificateIn(request)
      roleFor(own, name)
      // A certificate that was itself renewed is another one: with the same key, or from the same authority.
      if (own.issuer !== token.internal.issuer && keyOf(own) !== token.internal.key)
        throw refuse(500, 'client identity during renewal not matching client identity used during login')
      return limitsOf(role.params)
    },
  }
}

/** @throws VaultError */
function certificateIn({ clientCertificate }: VaultRequest): X509Certificate {
  if (!clientCertificate) throw refuse(400, 'tls connection required')
  const certificate = clientCertificate()
  if (!certificate) throw refuse(400, 'client certificate must be supplied')
  return certificate
}

function keyOf(certificate: X509Certificate): string {
  return certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
}
