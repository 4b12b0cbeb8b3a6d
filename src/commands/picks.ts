// Random picks of elements by index: with and without repetition.
import { below, type Random } from '../base/index.ts';

/** `count` different indexes of 0 up to `size`, in random order. Range: count <= size. Cost: count. */
function pickDistinct(random: Random, size: number, count: number): number[] {
  const moved = new Map<number, number>();
  const picks: number[] = [];
  for (let i = 0; i < count; i++) {
    const j = i + below(random, size - i);
    picks.push(moved.get(j) ?? j);
    moved.set(j, moved.get(i) ?? i);
  }
  return picks;
}

/** `count` indexes of 0 up to `size`, each on its own. */
function pickRepeated(random: Random, size: number, count: number): number[] {
  return Array.from({ length: count }, () => below(random, size));
}

/** What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER mean by a count: negative counts may repeat. */
export function picksFor(random: Random, size: number, count: number): number[] {
  if (size === 0) return [];
  return count < 0 ? pickRepeated(random, size, -count) : pickDistinct(random, size, Math.min(size, count));
}
