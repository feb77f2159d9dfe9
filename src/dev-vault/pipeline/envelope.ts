import type { Answer } from '../routing/backend.ts'
import type { JsonObject } from '../text/json.ts'

/** The envelope of an answer, without the request id: this is also what response wrapping keeps. */
export function envelope(answer: Answer): JsonObject {
  return {
    lease_id: answer.leaseId ?? '',
    renewable: answer.renewable ?? false,
    lease_duration: Math.trunc(answer.leaseDuration ?? 0),
    data: answer.data ?? null,
    wrap_info: answer.wrap ?? null,
    warnings: answer.warnings?.length ? answer.warnings : null,
    auth: answer.auth ?? null,
  }
}
