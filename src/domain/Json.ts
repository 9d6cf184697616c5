/**
 * JSON values, and careful ways to look into ones of no promised shape.
 *
 * Room: domain.
 */
export type JsonValue = string | number | boolean | null | ReadonlyArray<JsonValue> | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The object at `key`, or undefined when there is none. */
export const objectAt = (value: unknown, key: string): JsonObject | undefined => {
  const found = isObject(value) ? value[key] : undefined;
  return isObject(found) ? found : undefined;
};

/** The array at `key`, or an empty one. */
export const arrayAt = (value: unknown, key: string): ReadonlyArray<JsonValue> => {
  const found = isObject(value) ? value[key] : undefined;
  return Array.isArray(found) ? found : [];
};

/** The string at `key`, or undefined. An empty string is a string. */
export const stringAt = (value: unknown, key: string): string | undefined => {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === "string" ? found : undefined;
};

/** The finite number at `key`, or undefined. */
export const numberAt = (value: unknown, key: string): number | undefined => {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === "number" && Number.isFinite(found) ? found : undefined;
};

/** The amount at `key`: a number from 0, or undefined for anything else. */
export const amountAt = (value: unknown, key: string): number | undefined => {
  const found = numberAt(value, key);
  return found !== undefined && found >= 0 ? found : undefined;
};

/** The count at `key`: a whole number from 0, or undefined for anything else. */
export const countAt = (value: unknown, key: string): number | undefined => {
  const found = numberAt(value, key);
  return found !== undefined && Number.isSafeInteger(found) && found >= 0 ? found : undefined;
};

/** True only for `true`. */
export const flagAt = (value: unknown, key: string): boolean => isObject(value) && value[key] === true;

/** Bytes of a string in UTF-8. */
export const utf8Length = (text: string): number => Buffer.byteLength(text, "utf8");

/** True when a string has at most so many bytes in UTF-8. A UTF-16 unit takes at most three: most need not be counted. */
export const fitsUtf8 = (text: string, bytes: number): boolean =>
  text.length * 3 <= bytes || (text.length <= bytes && utf8Length(text) <= bytes);

/** True when a value is nested deeper than `most` levels; one that holds itself is. */
export const isDeeper = (value: unknown, most: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (most === 0 || Object.values(value).some((inner) => isDeeper(inner, most - 1)));
