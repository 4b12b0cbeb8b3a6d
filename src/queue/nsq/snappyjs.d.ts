// What we use of a package without types of its own.
declare module 'snappyjs' {
  const SnappyJS: {
    /** Compresses one block. */
    compress(bytes: Uint8Array): Uint8Array;
    /** Errors: for malformed blocks, and for such as are larger than `lengthMax` (Units: bytes). */
    uncompress(bytes: Uint8Array, lengthMax?: number): Uint8Array;
  };
  export default SnappyJS;
}
