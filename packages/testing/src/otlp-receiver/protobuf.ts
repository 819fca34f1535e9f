/** How a field's value stands in the bytes: https://protobuf.dev/programming-guides/encoding */
type Value =
  | { readonly wire: 'varint'; readonly bits: bigint }
  | { readonly wire: 'fixed64'; readonly bytes: Uint8Array }
  | { readonly wire: 'bytes'; readonly bytes: Uint8Array }
  | { readonly wire: 'fixed32'; readonly bytes: Uint8Array };

/** A message whose fields are read by number. Fields nobody asks for are skipped, as protobuf demands of a reader. */
export interface Message {
  message(field: number): Message | undefined;
  messages(field: number): readonly Message[];
  /** The empty string if it is absent, as in proto3. */
  string(field: number): string;
  bytes(field: number): Uint8Array;
  /** Varint or fixed, unsigned; 0n if it is absent. */
  unsigned(field: number): bigint;
  signed(field: number): bigint;
  double(field: number): number;
  /** Whether the field was written: in a `oneof`, also where it has its default value. */
  has(field: number): boolean;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads one message. Throws, with the offset, on bytes that are no protobuf: nothing that a receiver took is passed over in silence. */
export function readMessage(bytes: Uint8Array): Message {
  const fields = new Map<number, Value[]>();
  for (const [field, value] of fieldsOf(bytes)) fields.set(field, [...(fields.get(field) ?? []), value]);
  // proto3: where a single field was written twice, the last one counts.
  const last = (field: number): Value | undefined => fields.get(field)?.at(-1);
  const bytesOf = (field: number): Uint8Array => lengthDelimited(field, last(field));
  const unsigned = (field: number): bigint => {
    const value = last(field);
    if (value === undefined) return 0n;
    if (value.wire === 'varint') return value.bits;
    const view = viewOf(value.bytes);
    if (value.wire === 'fixed64') return view.getBigUint64(0, true);
    if (value.wire === 'fixed32') return BigInt(view.getUint32(0, true));
    throw new Error(`field ${field} is length-delimited; a number was expected`);
  };
  return {
    message: (field) => (fields.has(field) ? readMessage(bytesOf(field)) : undefined),
    messages: (field) => (fields.get(field) ?? []).map((value) => readMessage(lengthDelimited(field, value))),
    string: (field) => utf8.decode(bytesOf(field)),
    bytes: bytesOf,
    unsigned,
    signed: (field) => BigInt.asIntN(64, unsigned(field)),
    double(field) {
      const value = last(field);
      if (value === undefined) return 0;
      if (value.wire !== 'fixed64') throw new Error(`field ${field} is ${value.wire}; a double was expected`);
      return viewOf(value.bytes).getFloat64(0, true);
    },
    has: (field) => fields.has(field),
  };
}

function lengthDelimited(field: number, value: Value | undefined): Uint8Array {
  if (value === undefined) return new Uint8Array();
  if (value.wire !== 'bytes') throw new Error(`field ${field} is ${value.wire}; bytes were expected`);
  return value.bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function* fieldsOf(bytes: Uint8Array): Generator<[number, Value]> {
  let offset = 0;
  const varint = (): bigint => {
    let bits = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[offset++];
      if (byte === undefined) throw new Error(`not protobuf: a number is cut off at offset ${bytes.length}`);
      bits |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, bits);
    }
    throw new Error(`not protobuf: a number of more than 10 bytes before offset ${offset}`);
  };
  const take = (length: number): Uint8Array => {
    if (offset + length > bytes.length)
      throw new Error(`not protobuf: ${length} bytes at offset ${offset}, but only ${bytes.length - offset} are left`);
    return bytes.subarray(offset, (offset += length));
  };
  while (offset < bytes.length) {
    const at = offset;
    const tag = Number(varint());
    const field = tag >>> 3;
    if (field === 0) throw new Error(`not protobuf: field number 0 at offset ${at}`);
    switch (tag & 7) {
      case 0:
        yield [field, { wire: 'varint', bits: varint() }];
        break;
      case 1:
        yield [field, { wire: 'fixed64', bytes: take(8) }];
        break;
      case 2:
        yield [field, { wire: 'bytes', bytes: take(Number(varint())) }];
        break;
      case 5:
        yield [field, { wire: 'fixed32', bytes: take(4) }];
        break;
      default:
        throw new Error(`not protobuf: wire type ${tag & 7} at offset ${at}`);
    }
  }
}
