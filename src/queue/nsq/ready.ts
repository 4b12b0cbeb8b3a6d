// How many messages each connection may send us (RDY), so that all together stay within one budget.

/**
 * Shares `total` over connections with the limits `caps`. With fewer than one each, those whose turn it is get 1.
 * Range: the sum is at most `total`; no share is above its cap.
 */
export function shareReady(total: number, caps: readonly number[], turn: number): number[] {
  const shares = caps.map(() => 0);
  if (total < caps.length) {
    for (let i = 0; i < total; i++) shares[(turn + i) % caps.length] = 1;
    return shares;
  }
  let left = total;
  let open = caps.map((_, i) => i);
  while (left > 0 && open.length > 0) {
    const each = Math.max(1, Math.floor(left / open.length));
    for (const i of open) {
      const more = Math.min(each, caps[i] - shares[i], left);
      shares[i] += more;
      left -= more;
    }
    open = open.filter((i) => shares[i] < caps[i]);
  }
  return shares;
}
