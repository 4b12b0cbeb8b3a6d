// Whether an address can be reached from this machine only.
import { isIPv4, isIPv6 } from 'node:net';

/** Whether only this machine can connect there. `host`: without port and brackets. A name other than localhost may be anything: false. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return /^(::1|(0+:){7}0*1|::ffff:127\..*)$/i.test(host);
  return host.toLowerCase() === 'localhost';
}
