import { Effect, Layer } from "effect"
import { NodeServices, NodeRuntime } from "@effect/platform-node"
import * as B from "/work/main/src/machine/NatsBinary.ts"
const p = Effect.gen(function*(){ const b = yield* B.NatsBinary; console.log(b.path, b.version) }).pipe(Effect.provide(B.layer.pipe(Layer.provide(NodeServices.layer))))
NodeRuntime.runMain(p as any)
