// One site of a chaos run: mqkv, its store and its broker, all inside the site's namespace.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findBroker } from '../brokers/index.ts';
import { flagsOf } from '../brokers/redis-flags.ts';
import { mountSmallDisk, type Place } from './network.ts';
import { PlacedProcess } from './placed-process.ts';

export const STORE_KINDS = ['memory', 'file', 'file-always', 'redis', 'redis-volatile'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];
export type QueueKind = 'nsq' | 'peers';

/** Password of every site's clients. */
export const PASSWORD = 'chaos';
const REDIS_PORT = 6379;
const SITE_PORT = 6389;
/** Units: MiB of the disk of a broker and of a `file:` store. */
const DISK_MIB = 48;
const BIN = fileURLToPath(new URL('../../bin/mqkv.js', import.meta.url)).replace('/dist/bin/', '/bin/');

/** Acknowledgements in this time may be gone. Units: Unix ms. */
export interface LossSpan {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface SiteOptions {
  readonly index: number;
  readonly kind: StoreKind;
  readonly queue: QueueKind;
  readonly place: Place;
  readonly places: readonly Place[];
  readonly lookupd: string;
  /** Folder of the run. */
  readonly folder: string;
}

/** A site and what runs for it. */
export class ChaosSite {
  readonly index: number;
  readonly name: string;
  readonly kind: StoreKind;
  readonly socket: string;
  readonly logFile: string;
  readonly folder: string;
  readonly mqkv: PlacedProcess;
  readonly redis: PlacedProcess | undefined;
  readonly nsqd: PlacedProcess | undefined;
  /** Folder of the broker's data. */
  readonly brokerFolder: string;
  /** Folder of a `file:` store. */
  readonly storeFolder: string;
  readonly lossSpans: LossSpan[] = [];
  /** What keeps the site from serving now; each names itself. */
  readonly troubles = new Set<string>();
  /** How many faults of the network now keep it from others. */
  apart = 0;
  /** Units: Unix ms; when the last trouble ended. */
  wellSinceMs = 0;
  /** Units: Unix ms; since when the store's disk has been full; undefined: it is not. */
  fullSinceMs: number | undefined;
  readonly #options: SiteOptions;

  constructor(options: SiteOptions) {
    this.#options = options;
    const { index, kind, queue, folder, place } = options;
    this.index = index;
    this.kind = kind;
    this.name = `site${index}`;
    this.folder = join(folder, this.name);
    this.socket = join(this.folder, 'mqkv.sock');
    this.logFile = join(this.folder, 'mqkv.log');
    this.brokerFolder = join(this.folder, 'broker');
    this.storeFolder = join(this.folder, 'store');
    const placed = (command: string, args: readonly string[]): PlacedProcess =>
      new PlacedProcess({
        namespace: place.namespace,
        command,
        args,
        logFile: command === process.execPath ? this.logFile : join(this.folder, 'servers.log'),
      });
    this.mqkv = placed(process.execPath, [BIN, ...this.#flags()]);
    this.redis = this.hasRedis ? placed(pathOf('redis-server'), this.#redisFlags()) : undefined;
    this.nsqd = queue === 'nsq' ? placed(pathOf('nsqd'), this.#nsqdFlags()) : undefined;
  }

  get hasRedis(): boolean {
    return this.kind.startsWith('redis');
  }

  get processes(): readonly PlacedProcess[] {
    return [this.mqkv, this.redis, this.nsqd].filter((one) => one !== undefined);
  }

  /** Folders, disks, then the processes. */
  async open(): Promise<void> {
    for (const folder of [this.folder, this.brokerFolder, this.storeFolder])
      mkdirSync(folder, { recursive: true });
    const canMount = this.#options.place.namespace !== undefined;
    if (canMount && this.nsqd !== undefined) await mountSmallDisk(this.brokerFolder, DISK_MIB);
    if (canMount && this.kind.startsWith('file')) await mountSmallDisk(this.storeFolder, DISK_MIB);
    this.redis?.start();
    this.nsqd?.start();
    this.mqkv.start();
  }

  /** Something begins that keeps the site from serving. */
  trouble(name: string): void {
    this.troubles.add(name);
  }

  relieved(name: string): void {
    this.troubles.delete(name);
    this.wellSinceMs = Date.now();
  }

  /** What was acknowledged since then may be gone: the process was killed. */
  noteKill(): void {
    const untilMs = Date.now();
    const { frozenAtMs } = this.mqkv;
    if (this.kind === 'memory') this.lossSpans.push({ fromMs: 0, untilMs });
    if (this.kind === 'file')
      this.lossSpans.push({ fromMs: (this.fullSinceMs ?? frozenAtMs ?? untilMs) - LOSS_WINDOW_MS, untilMs });
  }

  /** Its Redis was killed. */
  noteRedisKill(): void {
    if (this.kind === 'redis-volatile') this.lossSpans.push({ fromMs: 0, untilMs: Date.now() });
  }

  /** Fills the store's or the broker's disk to the last byte. */
  fill(folder: string): void {
    for (let size = DISK_MIB * 1_048_576, i = 0; size >= 1_024; i++) {
      try {
        writeFileSync(join(folder, `ballast-${i}`), Buffer.alloc(size, 1));
      } catch {
        size = Math.floor(size / 2);
      }
    }
  }

  unfill(folder: string): void {
    if (!existsSync(folder)) return;
    for (const file of readdirSync(folder))
      if (file.startsWith('ballast-')) rmSync(join(folder, file), { force: true });
  }

  #flags(): readonly string[] {
    const { queue, place, places, lookupd, folder } = this.#options;
    const others = places.filter((other) => other !== place).map(({ address }) => `${address}:${SITE_PORT}`);
    const url =
      queue === 'nsq'
        ? `nsq://${place.address}:4150?lookupd=http://${lookupd}`
        : `peers://${others.join(',')}`;
    const address = `${place.address}:${SITE_PORT}`;
    const flags = {
      site: this.name,
      store: this.#storeUrl(),
      queue: url,
      advertise: address,
      admin: 'off',
      'password-file': join(folder, 'password'),
      'secret-file': join(folder, 'secret'),
    };
    return ['serve', ...flagsOf(flags), '--listen', `unix:${this.socket}`, '--listen', address];
  }

  #storeUrl(): string {
    if (this.hasRedis) return `redis://${this.#options.place.address}:${REDIS_PORT}`;
    if (this.kind === 'file') return `file:${this.storeFolder}`;
    return this.kind === 'file-always' ? `file:${this.storeFolder}?fsync=always` : 'memory:';
  }

  /** It keeps what it acknowledged, or nothing at all. */
  #redisFlags(): readonly string[] {
    return flagsOf({
      port: REDIS_PORT,
      bind: this.#options.place.address,
      'protected-mode': 'no',
      dir: this.storeFolder,
      save: '',
      appendonly: this.kind === 'redis' ? 'yes' : 'no',
      appendfsync: 'always',
      loglevel: 'warning',
    });
  }

  #nsqdFlags(): readonly string[] {
    const { place, lookupd } = this.#options;
    const address = place.address;
    const lookupdTcp = lookupd.replace(':4161', ':4160');
    return [
      `-tcp-address=${address}:4150`,
      `-http-address=${address}:4151`,
      `-broadcast-address=${address}`,
      `-data-path=${this.brokerFolder}`,
      `-lookupd-tcp-address=${lookupdTcp}`,
      '-mem-queue-size=0',
      '-sync-timeout=1s',
      '-max-bytes-per-file=4194304',
      '-log-level=warn',
    ];
  }
}

/** Units: ms; what a `file:` store may lose (DESIGN 5), and the time that a kill takes. */
const LOSS_WINDOW_MS = 1_200;

function pathOf(command: 'redis-server' | 'nsqd'): string {
  return findBroker(command) ?? command;
}
