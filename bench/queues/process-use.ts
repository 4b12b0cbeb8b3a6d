// What a process has used, as Linux counts it.
import { readFileSync } from 'node:fs';

/** Clock ticks of a second: what all Linux builds use. */
const TICKS = 100;

/** CPU time of all threads so far. Units: ms. */
export function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS;
}

/** Bytes read and written by system calls so far: of a site without clients and without files, those of its sockets. */
export function socketBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/io`, 'latin1');
  const [, read = '0'] = /rchar: (\d+)/.exec(text) ?? [];
  const [, written = '0'] = /wchar: (\d+)/.exec(text) ?? [];
  return Number(read) + Number(written);
}
