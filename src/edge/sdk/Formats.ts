/**
 * Formats of entries that no file has: SDK entry points write them.
 *
 * Room: edge.
 */
export const sdkFormats = ["openai-agents", "ai-sdk", "langgraph", "a2a"] as const;
