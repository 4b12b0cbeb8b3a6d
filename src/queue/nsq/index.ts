// The door of the NSQ adapter (DESIGN 6): a V2 client of our own.
export { type NsqQueueOptions, openNsqQueue } from './nsq-queue.ts';
export { type NsqUrl, parseNsqUrl } from './url.ts';
