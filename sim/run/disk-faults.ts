// What happens to a machine's disk.
import type { FolderCopy } from '../world/machine-disk.ts';
import type { Scheduler } from '../world/scheduler.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

/** The disk takes nothing more, until it is mended. */
export function fillDisk(host: Host, scheduler: Scheduler, later: (mend: () => void) => void): void {
  host.fill(scheduler.nowMs);
  later(() => host.empty(scheduler.nowMs));
}

/** The process dies, and an earlier copy of its folder takes the place of the folder: a backup on new files, or a whole machine's image, whose files look untouched. */
export function setBack(
  host: Host,
  world: World,
  { copy, isImage }: { readonly copy: FolderCopy; readonly isImage: boolean },
): void {
  world.kill(host);
  host.disk?.restore(copy, isImage);
  host.keptUntilMs = 0;
  world.totals.fault(isImage ? 'image restored' : 'backup restored');
  if (isImage) world.mayMiscount = true;
}
