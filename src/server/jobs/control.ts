/** What may happen to a job from outside while it runs. */
export interface Control {
  /** This node does not hold the job any more, or shuts down: leave everything as it is and go away. */
  readonly lost: AbortSignal
  /** Somebody wants it stopped. */
  readonly killed: AbortSignal
  /** The job has reached its end; what is left to do is to release what it held. */
  readonly ended?: () => void
}
