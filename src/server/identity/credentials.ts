import type { Vault } from '../../vault/client.ts'
import { type AppIdCredentials, byAppId } from './methods/app-id.ts'
import { type AppRoleCredentials, byAppRole } from './methods/approle.ts'
import { type AwsEc2Credentials, byAwsEc2 } from './methods/aws-ec2.ts'
import { byCert, type CertCredentials } from './methods/cert.ts'
import { byCubby, type CubbyCredentials } from './methods/cubby.ts'
import { byGithub, type GithubCredentials } from './methods/github.ts'
import { byJwt, type JwtCredentials } from './methods/jwt.ts'
import { byKubernetes, type KubernetesCredentials } from './methods/kubernetes.ts'
import type { MethodLogin } from './methods/login.ts'
import { byToken, type TokenCredentials } from './methods/token.ts'
import { byUserpass, type UserpassCredentials } from './methods/userpass.ts'
import { byWrappedToken, type WrappedTokenCredentials } from './methods/wrapped-token.ts'

/** With what the server logs in to Vault; `kind` is the method's name in logs and answers. */
export type Credentials =
  | AppIdCredentials
  | AppRoleCredentials
  | AwsEc2Credentials
  | CertCredentials
  | CubbyCredentials
  | GithubCredentials
  | JwtCredentials
  | KubernetesCredentials
  | TokenCredentials
  | UserpassCredentials
  | WrappedTokenCredentials

export type Login = MethodLogin<Credentials>

/** Logs in by the one method that the credentials are for. Throws `VaultError`. */
export async function login(vault: Vault, credentials: Credentials, signal?: AbortSignal): Promise<Login> {
  switch (credentials.kind) {
    case 'app-id':
      return await byAppId(vault, credentials, signal)
    case 'approle':
      return await byAppRole(vault, credentials, signal)
    case 'aws-ec2':
      return await byAwsEc2(vault, credentials, signal)
    case 'cert':
      return await byCert(vault, credentials, signal)
    case 'cubby':
      return await byCubby(vault, credentials, signal)
    case 'github':
      return await byGithub(vault, credentials, signal)
    case 'jwt':
      return await byJwt(vault, credentials, signal)
    case 'kubernetes':
      return await byKubernetes(vault, credentials, signal)
    case 'token':
      return await byToken(vault, credentials, signal)
    case 'userpass':
      return await byUserpass(vault, credentials, signal)
    case 'wrapped-token':
      return await byWrappedToken(vault, credentials, signal)
  }
}
