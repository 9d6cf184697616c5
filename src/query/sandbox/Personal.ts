/**
 * Columns of the public views that hold what persons wrote, or who and where they are.
 *
 * Room: query.
 *
 * A role that may not see them reads NULL in their place. A view that is not named here is not shown to it at all.
 */

/** View to its personal columns. */
export const personalColumns: Readonly<Record<string, ReadonlyArray<string>>> = {
  v_agent_messages: ["body"],
  v_call_activity: [],
  v_checkpoints: [],
  v_compactions: ["summary"],
  v_config_changes: ["value", "previous", "changed_by", "why"],
  v_daily_activity: [],
  v_daily_tokens: [],
  v_dead_letters: ["reason"],
  v_dictionary: [],
  v_event_activity: [],
  v_events: ["actor", "stored_actor", "misfit_subject", "extensions", "data", "wire_headers"],
  v_file_versions: ["path", "sha256"],
  v_files_read: ["path", "sha256", "machine"],
  v_limit_refusals: ["user"],
  v_message_parts: ["text", "refers_to"],
  v_message_activity: [],
  v_messages: ["author", "text", "cwd", "branch"],
  v_models: [],
  v_notes: ["text"],
  v_reuse_stats: [],
  v_reused_responses: ["request_key"],
  v_sessions: ["cwd", "command", "machine", "process_id"],
  v_store_events: ["actor", "reason", "data"],
  v_task_transitions: ["message"],
  v_tasks: ["description", "cwd", "message", "request", "output", "error_message"],
  v_thread_tags: ["tag"],
  v_thread_tokens: [],
  v_threads: ["title", "opening", "cwd", "branch"],
  v_token_activity: [],
  v_token_usage: [],
  v_tool_calls: ["arguments", "error_message", "result"],
  v_tool_stats: [],
  v_unknown: ["what"],
  v_unmatched_results: ["error_message"],
};
