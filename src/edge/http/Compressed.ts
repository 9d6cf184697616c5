/**
 * Answers compressed for those who ask for it.
 *
 * Room: edge.
 *
 * Decision: gzip of level 4 from 4 KiB on, because a local client asks for nothing and pays nothing, and over a network a
 * page of messages is a tenth; Brotli at its usual level takes ten times as long. Streams that are followed are left as they
 * are (`no-transform`), because compressing holds back what was said.
 */
import { HttpMiddleware, HttpRouter } from "effect/http";

const level = 4;
const minSize = 4_096;

export const layer = HttpRouter.middleware(
  HttpMiddleware.compression({ algorithms: ["gzip"], minSize, levels: { gzip: level } }),
  { global: true },
);
