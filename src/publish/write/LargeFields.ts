/**
 * Fields too large for an event go to the object store; the event keeps their head and a reference.
 *
 * Room: publish.
 *
 * Decision: a field above 256 KiB is a blob, so that a snapshot's window and a projector's batch stay small and the
 * same image sent again costs a reference. A whole event stays below 768 KiB: it fits a server that was left at
 * NATS's default of 1 MB.
 */
import { createHash } from "node:crypto";
import type { BlobReference, Part } from "../../domain/thread/Content.ts";
import type { EventData, EventTypeName } from "../../domain/Event.ts";
import { fitsUtf8 } from "../../domain/Json.ts";
import type { Blob } from "../../spool/Spool.ts";

export const maxInlineBytes = 256 * 1024;
export const maxEventBytes = 768 * 1024;
/** Length of a text that stays in its event, for people and full-text search. In UTF-16 units. */
export const maxHeadLength = 16 * 1024;
/** Shared length of the heads of one event when many fields leave it, and the least length of each. */
const allHeadsLength = 128 * 1024;
const minHeadLength = 256;
/** A reference as JSON: the hash, its length, their names. */
const referenceBytes = 128;

/** A field that may leave its event; its head stays. */
interface Field {
  readonly bytes: number;
  readonly content: () => Uint8Array;
  /** Returns how many bytes stay. */
  readonly replace: (reference: BlobReference, headLength: number) => number;
}

const headOf = (text: string, length: number): string => {
  const cut = text.slice(0, length);
  // A cut between two halves of a character leaves the first out.
  return cut.isWellFormed() ? cut : text.slice(0, length - 1).toWellFormed();
};

const textField = (text: string, replace: (head: string, reference: BlobReference) => void): Field => ({
  bytes: Buffer.byteLength(text, "utf8"),
  content: () => Buffer.from(text, "utf8"),
  replace: (reference, headLength) => {
    const head = headOf(text, headLength);
    replace(head, reference);
    return Buffer.byteLength(head, "utf8") + referenceBytes;
  },
});

/** Any JSON: a text as it is, everything else as its JSON text. */
const jsonField = (value: unknown, replace: (head: string, reference: BlobReference) => void): ReadonlyArray<Field> =>
  value == null ? [] : [textField(typeof value === "string" ? value : JSON.stringify(value), replace)];

/** The fields of a message's parts. `put` replaces the part at an index. */
const partFields = (parts: ReadonlyArray<Part>, put: (index: number, part: Part) => void): ReadonlyArray<Field> =>
  parts.flatMap((part, index): ReadonlyArray<Field> => {
    if ("blob" in part && part.blob != null) return [];
    switch (part.type) {
      case "text":
      case "thinking":
        return [textField(part.text, (text, blob) => put(index, { ...part, text, blob }))];
      case "tool_result":
        return [
          textField(part.text, (text, blob) => put(index, { ...part, text, blob, bytes: part.bytes ?? blob.bytes })),
        ];
      case "tool_use":
        return jsonField(part.arguments, (text, blob) => put(index, { ...part, arguments: text, blob }));
      case "other":
        return jsonField(part.value, (text, blob) => put(index, { ...part, value: text, blob }));
      case "file":
      case "image": {
        const { data, ...rest } = part;
        if (data == null) return [];
        const content = () => Buffer.from(data, "base64");
        const replace = (blob: BlobReference) => {
          put(index, { ...rest, blob });
          return referenceBytes;
        };
        return [{ bytes: data.length, content, replace }];
      }
    }
  });

/** The data that can still be changed, with the fields that may leave it. */
const open = (
  type: EventTypeName,
  given: unknown,
): { readonly data: unknown; readonly fields: ReadonlyArray<Field> } => {
  switch (type) {
    case "thread.message_appended": {
      const message = given as EventData<typeof type>;
      const parts = [...message.parts];
      const fields = partFields(parts, (index, part) => {
        parts[index] = part;
      });
      return { data: { ...message, parts }, fields };
    }
    case "thread.tool_called": {
      const data = { ...(given as EventData<typeof type>) };
      return {
        data,
        fields: jsonField(data.arguments, (text, blob) =>
          Object.assign(data, { arguments: text, argumentsBlob: blob }),
        ),
      };
    }
    case "thread.tool_returned": {
      const data = { ...(given as EventData<typeof type>) };
      return {
        data,
        fields: jsonField(data.result, (text, blob) => Object.assign(data, { result: text, resultBlob: blob })),
      };
    }
    case "task.completed": {
      const data = { ...(given as EventData<typeof type>) };
      const outputIsText = typeof data.output === "string";
      return {
        data,
        fields: jsonField(data.output, (text, blob) =>
          Object.assign(data, { output: text, outputBlob: blob, outputIsText }),
        ),
      };
    }
    default:
      return { data: given, fields: [] };
  }
};

export interface Offloaded {
  /** The data as JSON. May still be larger than `maxEventBytes`: then nothing more can leave it. */
  readonly body: string;
  readonly blobs: ReadonlyArray<Blob>;
}

/** `given` has passed the type's Schema. */
export const offload = (type: EventTypeName, given: unknown): Offloaded => {
  const whole = JSON.stringify(given);
  if (fitsUtf8(whole, maxInlineBytes)) return { body: whole, blobs: [] };
  const { data, fields } = open(type, given);
  const headLength = Math.min(maxHeadLength, Math.max(minHeadLength, Math.floor(allHeadsLength / fields.length)));
  const blobs: Array<Blob> = [];
  let left = Buffer.byteLength(whole, "utf8");
  for (const field of fields.toSorted((a, b) => b.bytes - a.bytes)) {
    const isSmall = field.bytes <= maxInlineBytes;
    if (isSmall && (left <= maxEventBytes || field.bytes <= headLength)) break;
    const bytes = field.content();
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    blobs.push({ sha256, bytes });
    left -= field.bytes - field.replace({ sha256, bytes: bytes.byteLength }, headLength);
  }
  return { body: blobs.length > 0 ? JSON.stringify(data) : whole, blobs };
};
