// Commands about the gateway that stand inside MULTI … EXEC: executed by themselves, their reply as bytes.
import { ReplyWriter } from '../../resp/index.ts';
import { Call, type CallContext } from '../call.ts';
import type { Queued, Session } from '../session.ts';
import type { General } from './context.ts';
import type { Port } from './port.ts';

/** What executes them. */
export interface InsideOptions {
  readonly session: Session;
  readonly port: Port;
  readonly general: General;
}

/** The raw reply of a queued command. */
export async function executeInside({ spec, args }: Queued, on: InsideOptions): Promise<Buffer> {
  const { session, port, general } = on;
  const reply = new ReplyWriter();
  reply.protocol = session.connection.protocol;
  const call = new Call({
    ctx: contextOf(port),
    spec,
    reply,
    args,
    session,
    shared: port.shared,
    isInside: true,
  });
  await general.run(call, session);
  return Buffer.concat(reply.take());
}

function contextOf({ callContext }: Port): CallContext {
  return callContext;
}
