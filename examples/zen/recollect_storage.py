"""
The storage of Zen/PAL on Recollect: get, setex, set_with_ttl, shutdown. Standard library and recollect.py, beside each other.

Zen writes the whole conversation at each turn, reads it back, and puts what it read into the next question as text. Here each
turn is one message of the thread named by `continuation_id`, appended once:

- a turn is known by what it says and when, so one that comes in again adds nothing, and two servers that write from the same
  beginning both keep what they added;
- a turn that has the conversation before its question is given back as the question, and what a turn repeats is stored as references
  to where it was said first, so questions of 111 bytes stay questions of 111 bytes and nothing is lost (docs/publishing.md, "A
  history inside a message");
- any process that asks for the same `continuation_id` goes on with it, after a restart, from a second client, days later. A time to
  live is taken and not acted on: the record is kept.

A store that cannot be reached raises; it is never taken for an expired conversation. While only NATS is away, turns wait in the
daemon's spool, and this process answers from what it knows.
"""

import atexit
import contextvars
import hashlib
import json
import logging
import queue
import re
import threading
import time
from datetime import datetime, timezone
from typing import Any, Dict, Optional

from recollect import Json, Problem, Recollect, Unavailable, new_id

PREFIX = "thread:"
#: A read is answered from what this process knows when the log does not answer for so long, seconds.
PATIENCE_SECONDS = 3
#: Activity that waits to be recorded; more is dropped and counted, because no tool waits for its audit.
MOST_WAITING = 10_000
#: How long `shutdown` waits for the audit to be on disk, seconds.
FLUSH_SECONDS = 5

#: Zen puts this line between the conversation so far and what is asked now.
ASKED = "=== NEW USER INPUT ===\n"

#: Fields of a turn that the message has a place of its own for; every other one is kept beside, as it came.
PLACES = {"tool_name": "tool", "model_provider": "provider", "model_name": "model", "files": "files", "images": "images"}
FIELDS = ("role", "content", "timestamp", "files", "images", "tool_name", "model_provider", "model_name", "model_metadata")

#: The tool call under way in this task; the handler sets it, and the storage says which conversation it belongs to.
_call: "contextvars.ContextVar[Optional[Json]]" = contextvars.ContextVar("recollect_call", default=None)


def _millis(stamp: Any) -> Optional[int]:
    try:
        return int(datetime.fromisoformat(str(stamp).replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return None


def _stamp(millis: float) -> str:
    return datetime.fromtimestamp(millis / 1000, timezone.utc).isoformat()


def _hash(*said: Any) -> str:
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()[:32]


class _Conversation:
    """One thread as this process knows it: what Zen wrote of it first, and its turns in the order of the log."""

    def __init__(self, store: Recollect, id: str):
        self.id, self.lock = id, threading.RLock()
        self._thread, self._store = store.thread(id), store
        self._after = 0
        self._context: Optional[Json] = None
        self._is_deleted = False
        self._turns: Dict[str, Json] = {}
        self._last = 0.0

    def text(self) -> Optional[str]:
        if self._is_deleted or (self._context is None and not self._turns):
            return None
        first = self._context or {"tool_name": "recollect", "initial_context": {}}
        created = first.get("created_at") or _stamp(self._last)
        turns = list(self._turns.values())
        last = turns[-1]["timestamp"] if turns else created
        said = {"parent_thread_id": None, **first, "thread_id": self.id, "created_at": created, "last_updated_at": last, "turns": turns}
        return json.dumps(said)

    def catch_up(self) -> None:
        """What anybody has written since. What waits in the spool comes again until it has its place."""
        for event in self._thread.events(after=self._after):
            self._take(event["type"], event["data"], event["occurredAt"])
            if not event["isWaiting"]:
                self._after = event["sequence"]

    def merge(self, context: Json) -> None:
        """Appends what this process has not seen: the context once, then each new turn."""
        if self._context is None:
            first = {name: value for name, value in context.items() if name not in ("turns", "thread_id", "last_updated_at")}
            about = {"tool": first.get("tool_name"), "parentThreadId": first.get("parent_thread_id"), "client": {"name": "zen"}}
            data = {**about, "initialContext": first}
            created = _millis(first.get("created_at"))
            self._thread.append("thread.opened", data, id=_hash(self.id, "context"), actor="zen", **_when(created))
            self._context = first
        known = {self._mark(turn) for turn in self._turns.values()} | set(self._turns)
        for turn in context.get("turns", []):
            mark = self._mark(turn)
            if mark not in known:
                known.add(mark)
                self._append(mark, turn)

    def _mark(self, turn: Json) -> str:
        return _hash(self.id, turn.get("role"), turn.get("timestamp"), turn.get("tool_name"), turn.get("content"))

    def _append(self, mark: str, turn: Json) -> None:
        beside = {name: value for name, value in turn.items() if name not in PLACES and name not in ("role", "content")}
        before, mark_line, asked = turn.get("content", "").rpartition(ASKED)
        texts = [before + mark_line, asked] if mark_line else [asked]
        message = {
            "messageId": mark,
            "role": turn.get("role", "user"),
            "parts": [{"type": "text", "text": text} for text in texts],
            "metadata": {**beside, **({"history": True} if mark_line else {})},
            **{place: turn[name] for name, place in PLACES.items() if turn.get(name) is not None},
            **_usage(turn.get("model_metadata")),
        }
        self._thread.observe(message, id=mark, actor=turn.get("model_name") or turn.get("role"), **_when(_millis(turn.get("timestamp"))))
        # Until it is read back, as it came.
        self._turns[mark] = {**dict.fromkeys(FIELDS), **turn}

    def _take(self, type: str, data: Any, at: float) -> None:
        self._last = at
        if type in ("thread.deleted", "thread.restored"):
            self._is_deleted = type == "thread.deleted"
        elif type == "thread.opened" and self._context is None and isinstance(data.get("initialContext"), dict):
            self._context = data["initialContext"]
        elif type == "thread.message_appended":
            self._turns[data["messageId"]] = self._turn(data, at)

    def _turn(self, data: Json, at: float) -> Json:
        beside = dict(data.get("metadata") or {})
        beside.pop("history", None)
        back = {name: data.get(place) for name, place in PLACES.items()}
        said = {**dict.fromkeys(FIELDS), "timestamp": _stamp(at), **beside, **back, "content": self._words(data)}
        return {**said, "role": "assistant" if data["role"] == "assistant" else "user"}

    def _words(self, data: Json) -> str:
        """
        What was asked, without the conversation before it, or all of the text parts; without what the message repeats of its
        thread, and whole where a part lies beside the event.
        """
        parts, repeats = data["parts"], data.get("normalised")
        if (data.get("metadata") or {}).get("history"):
            parts = parts[repeats["parts"] if repeats and repeats["first"] == 0 else 1 :]
        texts = []
        for part in parts:
            if part.get("type") == "text":
                blob = part.get("blob")
                texts.append(self._store.blob(blob["sha256"]).decode("utf-8") if blob else part["text"])
        return "".join(texts)


def _usage(metadata: Any) -> Json:
    """Tokens in and out, where the model's provider says them."""
    said = metadata.get("usage") if isinstance(metadata, dict) else None
    counts = {"input": said.get("input_tokens"), "output": said.get("output_tokens")} if isinstance(said, dict) else {}
    told = {name: count for name, count in counts.items() if isinstance(count, int) and count >= 0}
    return {"usage": told} if told else {}


def _when(millis: Optional[int]) -> Json:
    return {} if millis is None else {"occurredAt": millis}


class RecollectStorage:
    """What Zen calls its storage backend. One may be used by any number of threads."""

    def __init__(self, store: Optional[Recollect] = None):
        self._store = store or Recollect(patience=PATIENCE_SECONDS)
        self._held: Dict[str, _Conversation] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> Optional[str]:
        """The conversation as Zen wrote it, with what others added; None when there never was one. Raises when nobody can say."""
        conversation = self._of(key)
        with conversation.lock:
            try:
                conversation.catch_up()
            except Unavailable:
                known = conversation.text()
                if known is None:
                    raise
                return known
            return conversation.text()

    def setex(self, key: str, ttl_seconds: int, value: str) -> None:
        """Appends what is new in the conversation; on disk when this returns."""
        context = json.loads(value)
        conversation = self._of(key)
        with conversation.lock:
            try:
                conversation.catch_up()
            except Unavailable:
                pass  # A turn that is there already has the same id: it is one event all the same.
            conversation.merge(context)

    def set_with_ttl(self, key: str, ttl_seconds: int, value: str) -> None:
        self.setex(key, ttl_seconds, value)

    def shutdown(self) -> None:
        for handler in list(logging.getLogger("mcp_activity").handlers):
            if isinstance(handler, ActivityHandler):
                handler.flush()

    def _of(self, key: str) -> _Conversation:
        if not key.startswith(PREFIX):
            raise ValueError(f"{key} is no conversation: keys are {PREFIX}<continuation_id>")
        id = key[len(PREFIX) :]
        call = _call.get()
        if call is not None:
            call["continuation"] = id
        with self._lock:
            return self._held.setdefault(id, _Conversation(self._store, id))


class ActivityHandler(logging.Handler):
    """
    Zen's log seam, the logger `mcp_activity`: each TOOL_CALL is an intent and each TOOL_COMPLETED its outcome, in a thread of this
    server's own, with the conversation as `correlationId`. A call whose end was never said is `unknown`, as after a kill.

    Nobody waits: lines are recorded by a thread of the handler's own, in order, and `flush` waits for them.
    """

    CALL = re.compile(r"^TOOL_CALL: (\S+)(?: with (\d+) arguments)?")
    DONE = re.compile(r"^TOOL_COMPLETED: (\S+)")
    FAILED = re.compile(r"^(?:CONVERSATION_ERROR|TOOL_ERROR|TOOL_FAILED): (.*)")

    def __init__(self, store: Optional[Recollect] = None, thread: Optional[str] = None):
        super().__init__(logging.INFO)
        self._store = store or Recollect()
        self._thread = self._store.thread(thread or f"zen-activity-{new_id()}")
        self._waiting: "queue.Queue[Optional[Any]]" = queue.Queue(MOST_WAITING)
        self.dropped = 0
        self._put(lambda: self._thread.describe(title="Zen: tool calls", tool="zen", client={"name": "zen"}))
        threading.Thread(target=self._record, name="recollect activity", daemon=True).start()
        atexit.register(self.flush)

    @property
    def thread_id(self) -> str:
        return self._thread.id

    def emit(self, record: logging.LogRecord) -> None:
        line, at = record.getMessage(), int(record.created * 1000)
        asked = self.CALL.match(line)
        call = _call.get()
        if asked:
            call = {"id": new_id(), "began": at, "name": asked[1], "continuation": None}
            _call.set(call)
            arguments = {"count": int(asked[2])} if asked[2] else None
            said = {"callId": call["id"], "id": call["id"], "occurredAt": at, "server": "zen"}
            self._put(lambda: self._thread.tool_called(asked[1], arguments, **said))
        elif call is not None:
            failed = self.FAILED.match(line)
            done = self.DONE.match(line)
            if failed or (done and done[1] == call["name"]):
                _call.set(None)
                self._put(lambda: self._end(call, at, failed[1] if failed else None))

    def _end(self, call: Json, at: float, failure: Optional[str]) -> None:
        error = None if failure is None else {"type": "zen", "message": failure[:500]}
        about = {"occurredAt": at, "durationMillis": max(0, at - call["began"]), "causationId": call["id"]}
        if call["continuation"] is not None:
            about["correlationId"] = call["continuation"]
        self._thread.tool_returned(call["id"], error=error, **about)

    def flush(self) -> None:
        """Waits until everything so far is on disk, for five seconds at most."""
        until = time.monotonic() + FLUSH_SECONDS
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)

    def _put(self, write: Any) -> None:
        try:
            self._waiting.put_nowait(write)
        except queue.Full:
            self.dropped += 1

    def _record(self) -> None:
        while True:
            write = self._waiting.get()
            try:
                write()
            except Problem as problem:
                self.dropped += 1
                logging.getLogger(__name__).warning("a tool call was not recorded: %s", problem)
            finally:
                self._waiting.task_done()


_one: Optional[RecollectStorage] = None
_making = threading.Lock()


def get_storage_backend() -> RecollectStorage:
    """In place of the function of the same name in Zen's utils/storage_backend.py; also begins to record the activity log."""
    global _one
    with _making:
        if _one is None:
            store = Recollect(patience=PATIENCE_SECONDS)
            _one = RecollectStorage(store)
            logging.getLogger("mcp_activity").addHandler(ActivityHandler(store))
        return _one
