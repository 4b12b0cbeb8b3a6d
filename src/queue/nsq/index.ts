// The door of the NSQ adapter (DESIGN 6): a V2 client of our own.
export { type NsqQueueOptions, type NsqUrl, openNsqQueue } from './nsq-queue.ts';
