/** What each event of Claude Code hands to a hook, one of each, by hand after its reference. */
type Payload = Readonly<Record<string, unknown>>;

const tool = { tool_name: "Bash", tool_input: { command: "npm test" }, tool_use_id: "toolu_01" };

const fields: Readonly<Record<string, Payload>> = {
  SessionStart: { source: "startup", model: "claude-opus" },
  Setup: { trigger: "init" },
  InstructionsLoaded: { file_path: "/home/ana/app/CLAUDE.md", memory_type: "Project", load_reason: "session_start" },
  UserPromptSubmit: { prompt: "please fix the loop", prompt_id: "p1" },
  UserPromptExpansion: { expansion_type: "slash_command", command_name: "review", command_args: "", prompt: "…" },
  PreToolUse: tool,
  PreSkillShellCommand: { command: "ls", skill_name: "s" },
  PermissionRequest: tool,
  PermissionDenied: { ...tool, reason: "not allowed" },
  PostToolUse: { ...tool, tool_response: { stdout: "ok" }, duration_ms: 12 },
  PostToolUseFailure: { ...tool, tool_use_id: "toolu_01", error: "failed later", duration_ms: 1 },
  PostToolBatch: { tool_calls: [tool] },
  Notification: { message: "waiting for you", notification_type: "idle_prompt" },
  MessageDisplay: { turn_id: "t", message_id: "m", index: 0, final: false, delta: "it" },
  SubagentStart: { agent_id: "a1", agent_type: "Explore" },
  SubagentStop: { agent_id: "a1", agent_type: "Explore", stop_hook_active: false },
  TaskCreated: { task_id: "1", task_subject: "fix" },
  TaskCompleted: { task_id: "1", task_subject: "fix" },
  TeammateIdle: { teammate_name: "b", team_name: "t" },
  PreModelSwitch: { from_model: "a", to_model: "b" },
  PostModelSwitch: { from_model: "a", to_model: "b" },
  PreCompact: { trigger: "manual", custom_instructions: null },
  PostCompact: { trigger: "manual", compact_summary: "short" },
  ConfigChange: { source: "user_settings" },
  CwdChanged: { old_cwd: "/a", new_cwd: "/b" },
  FileChanged: { file_path: "/a", event: "change" },
  DirectoryAdded: { directory: "/d", source: "add_dir" },
  WorktreeCreate: { name: "w" },
  WorktreeRemove: { worktree_path: "/w" },
  Elicitation: { mcp_server_name: "s", message: "which?" },
  ElicitationResult: { mcp_server_name: "s", action: "accept", content: {} },
  Stop: { stop_hook_active: false, last_assistant_message: "it is fixed" },
  StopFailure: { error: "rate_limit" },
  SessionEnd: { reason: "other" },
};

export const claudeEvents = (session: string, cwd: string): Readonly<Record<string, Payload>> =>
  Object.fromEntries(
    Object.entries(fields).map(([hook_event_name, more]) => [
      hook_event_name,
      { session_id: session, transcript_path: `/t/${session}.jsonl`, cwd, hook_event_name, ...more },
    ]),
  );
