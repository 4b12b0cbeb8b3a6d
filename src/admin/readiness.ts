// Whether a site should get traffic, from what it knows of its store and brokers.
import type { BrokerView, Readiness } from './hooks.ts';

/** The body of /readyz. */
export interface Verdict {
  readonly ready: boolean;
  readonly problems: readonly string[];
  /** Brokers that do not answer: listed, but no reason to be not ready (G1). */
  readonly unreachable: readonly { readonly address: string; readonly error: string | null }[];
  readonly lagMs: number | null;
}

/** Ready: no problem of its own, subscribed at every broker that answers, and not further behind than allowed. */
export function judge(readiness: Readiness, maxLagMs: number | undefined): Verdict {
  const { brokers, lagMs } = readiness;
  const unsubscribed = brokers.filter((broker) => broker.connected && !broker.subscribed).map(notSubscribed);
  const late = maxLagMs !== undefined && lagMs !== null && lagMs > maxLagMs;
  const lag = late ? [`lag of ${lagMs} ms is above maxLagMs=${maxLagMs}`] : [];
  const problems = [...readiness.problems, ...unsubscribed, ...lag];
  const unreachable = brokers
    .filter((broker) => !broker.connected)
    .map((broker) => ({ address: broker.address, error: broker.error ?? null }));
  return { ready: problems.length === 0, problems, unreachable, lagMs };
}

function notSubscribed(broker: BrokerView): string {
  return `no subscription yet at ${broker.address}`;
}
