// Finding keys in the table, and the version that a unit gives to what it changes.
//
// Invariant
// C4 Within a unit all changes carry one version, above all that the unit's keys held when it began.
import { assert, type Clock, type Latin1, type Random } from '../../base/index.ts';
import {
  above,
  compareVersions,
  type KeyState,
  laterOf,
  nextVersion,
  NONE,
  type Version,
} from '../../crdt/index.ts';
import { FORM_MASK } from './record.ts';
import type { Ref } from './slab.ts';
import { newestOf, stateOf } from './states.ts';
import { Table } from './table.ts';

const COUNTER_SPAN = 4294967296;

export interface CoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly origin: number;
}

/** The table, the time and the unit under way; `Core` has the rest. */
export class Finding {
  readonly clock: Clock;
  readonly random: Random;
  origin: number;
  /** Another one after `discard`. */
  table: Table;
  /** Units: Unix ms. */
  now: number;
  /** Keys that the unit has named. */
  readonly named: Latin1[] = [];
  /** The unit's version; `unitMs` 0: not decided yet. Plain numbers for the hot path. */
  unitMs = 0;
  unitTail = 0;
  #scratch = Buffer.alloc(256);

  constructor({ clock, random, origin }: CoreOptions) {
    this.clock = clock;
    this.random = random;
    this.origin = origin;
    this.now = clock.now();
    this.table = new Table(random);
  }

  /** The record of a key; 0: none. */
  locate(key: Latin1): Ref {
    const length = key.length;
    if (this.#scratch.length < length) this.#scratch = Buffer.alloc(length * 2);
    const scratch = this.#scratch;
    if (length <= 32) for (let i = 0; i < length; i++) scratch[i] = key.charCodeAt(i);
    else scratch.write(key, 0, length, 'latin1');
    return this.locateBytes(scratch, 0, length);
  }

  locateBytes(source: Uint8Array, start: number, end: number): Ref {
    return this.table.find(source, start, end, this.table.hash(source, start, end));
  }

  /** Points `locate` at a record's own key. */
  relocate(ref: Ref): void {
    const key = this.table.key(ref);
    const found = this.locateBytes(key, 0, key.length);
    assert(found === ref, 'a record is found by its key');
  }

  formAt(ref: Ref): number {
    return this.table.head(ref) & FORM_MASK;
  }

  /** C4: decides the version of a change of the plain record or missing key located last: `unitMs`, `unitTail`. */
  chooseVersion(ref: Ref): void {
    if (this.unitMs !== 0 || this.named.length > 0) {
      this.version(this.newest(ref));
      return;
    }
    const { table, now, origin } = this;
    const high = ref === 0 ? 0 : table.word(ref, 3);
    const ms = ref === 0 ? 0 : (table.word(ref, 2) >>> 0) + (high & 0xffff) * COUNTER_SPAN;
    const counter = high >>> 16;
    if (ms < now) {
      this.unitMs = now;
      this.unitTail = origin;
    } else if (ms === now && counter < 0xffff && table.word(ref, 4) >>> 0 === origin) {
      this.unitMs = now;
      this.unitTail = (counter + 1) * COUNTER_SPAN + origin;
    } else this.version(this.newest(ref));
  }

  /** C4: the version of a change of a key that holds `newest`. */
  version(newest: Version): Version {
    if (this.unitMs !== 0) {
      const unit = { ms: this.unitMs, tail: this.unitTail };
      assert(compareVersions(newest, above(unit)) <= 0, 'a unit names its keys before it writes');
      return unit;
    }
    const version = nextVersion(this.now, this.origin, this.#newestNamed(newest));
    this.unitMs = version.ms;
    this.unitTail = version.tail;
    return version;
  }

  #newestNamed(newest: Version): Version {
    if (this.named.length === 0) return newest;
    const { source, start, end, keyHash, segment, slot } = this.table;
    let greatest = newest;
    for (const key of this.named) {
      const ref = this.locate2(key);
      if (ref !== 0) greatest = laterOf(greatest, newestOf(this.table, ref));
    }
    Object.assign(this.table, { source, start, end, keyHash, segment, slot });
    return greatest;
  }

  /** As `locate`, without its scratch. */
  locate2(key: Latin1): Ref {
    const bytes = Buffer.from(key, 'latin1');
    return this.locateBytes(bytes, 0, bytes.length);
  }

  /** A record's state, its own object where it has one. */
  state(ref: Ref): KeyState {
    return stateOf(this.table, ref);
  }

  newest(ref: Ref): Version {
    return ref === 0 ? NONE : newestOf(this.table, ref);
  }
}
