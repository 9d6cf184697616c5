/**
 * The used part of `@langchain/langgraph-checkpoint`, 1.2.2: its packages are 60 MB, and a program brings them itself.
 *
 * Room: edge.
 *
 * The published types name the real module. `npm run drill -- sdks` compiles and runs this entry point with it.
 */
declare module "@langchain/langgraph-checkpoint" {
  export interface SerializerProtocol {
    dumpsTyped(value: unknown): Promise<[string, Uint8Array]>;
    loadsTyped(type: string, data: Uint8Array | string): Promise<unknown>;
  }
  interface RunnableConfig {
    configurable?: Record<string, unknown>;
  }
  export interface Checkpoint {
    v: number;
    id: string;
    ts: string;
    channel_values: Record<string, unknown>;
    channel_versions: Record<string, number | string>;
    versions_seen: Record<string, Record<string, number | string>>;
  }
  export type ChannelVersions = Record<string, number | string>;
  export type CheckpointMetadata<Extra extends object = object> = {
    source: "input" | "loop" | "update" | "fork";
    step: number;
    parents: Record<string, string>;
  } & Extra;
  export type PendingWrite = [string, unknown];
  export type CheckpointPendingWrite = [string, string, unknown];
  export interface CheckpointTuple {
    config: RunnableConfig;
    checkpoint: Checkpoint;
    metadata?: CheckpointMetadata;
    parentConfig?: RunnableConfig;
    pendingWrites?: CheckpointPendingWrite[];
  }
  export interface CheckpointListOptions {
    limit?: number;
    before?: RunnableConfig;
    filter?: Record<string, unknown>;
  }
  export interface DeltaChannelHistory {
    writes: CheckpointPendingWrite[];
    seed?: unknown;
  }
  export abstract class BaseCheckpointSaver<V extends string | number = number> {
    serde: SerializerProtocol;
    constructor(serde?: SerializerProtocol);
    get(config: RunnableConfig): Promise<Checkpoint | undefined>;
    abstract getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined>;
    abstract list(config: RunnableConfig, options?: CheckpointListOptions): AsyncGenerator<CheckpointTuple>;
    abstract put(
      config: RunnableConfig,
      checkpoint: Checkpoint,
      metadata: CheckpointMetadata,
      newVersions: ChannelVersions,
    ): Promise<RunnableConfig>;
    abstract putWrites(
      config: RunnableConfig,
      writes: PendingWrite[],
      taskId: string,
      taskPath?: string,
    ): Promise<void>;
    abstract deleteThread(threadId: string): Promise<void>;
    getNextVersion(current: V | undefined): V;
    getDeltaChannelHistory(options: {
      config: RunnableConfig;
      channels: string[];
    }): Promise<Record<string, DeltaChannelHistory>>;
  }
  export const WRITES_IDX_MAP: Record<string, number>;
  export function maxChannelVersion(...versions: Array<number | string>): number | string;
}
