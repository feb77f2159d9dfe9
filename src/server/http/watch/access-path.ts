import { configureAccess } from '../../watch/access-change.ts'
import type { Path } from './path.ts'

/** gitops.md §4.4: it can be written, and nothing of it can be read. */
export const ACCESS: Path = {
  pattern: 'configure_vault_access',
  synopsis: 'The AppRole with which the requests of the runs are made.',
  description:
    'The write logs in, takes a new SecretID for itself, keeps that one encrypted and destroys the one that was sent; later it ' +
    'replaces it again and again. So the role must be allowed to make and destroy its own SecretIDs.',
  fields: {
    vault_addr: 'Address of the Vault. Required.',
    vault_tls_server_name: "Name in that Vault's certificate. Required.",
    vault_cacert: 'PEM of the authorities that sign its certificate.',
    role_name: 'Name of the AppRole. Required.',
    role_id: 'Its RoleID. Required.',
    secret_id: 'A SecretID of it; it is used up by this write. Required.',
    secret_id_ttl: 'How long its SecretIDs live; they are replaced after a tenth of it. At least 120s. Required.',
    approle_mount_point: 'Where the method is mounted: auth/approle. Required.',
    token_ttl: 'Ignored.',
  },
  write: async ({ engine, caller, watch, fields }) => {
    await configureAccess(engine, caller, watch, fields)
    return {}
  },
}
