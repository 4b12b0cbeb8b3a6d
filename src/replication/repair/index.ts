// The folder's door.
import type { RepairOpeners } from '../repair-hooks.ts';
import { PeerBootstrap } from './peer-bootstrap.ts';
import { PeerRepair } from './peer-repair.ts';
import { PeerWork } from './peer-work.ts';
import { assert } from '../../base/index.ts';

export { compareWith, type Compared } from './comparing.ts';
export { PeerBootstrap } from './peer-bootstrap.ts';
export { PeerRepair } from './peer-repair.ts';

/** Repair and bootstrap as every site has them. */
export const peerRepair: RepairOpeners = {
  openRepair: (context) => new PeerRepair(new PeerWork(context)),
  openBootstrap(_context, repair) {
    assert(repair instanceof PeerRepair, 'bootstrap and repair share their ways to other sites');
    return new PeerBootstrap(repair.work);
  },
};
