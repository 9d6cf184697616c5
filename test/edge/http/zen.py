"""
Zen/PAL's side of its storage, as its source has it: threads made and continued, history put before each question as text, the
activity log written around each tool. Prints JSON of what a test asks of it: `python3 zen.py STEP ARGUMENT...`.
"""

import asyncio
import json
import logging
import random
import sys
import threading
import uuid
from datetime import datetime, timezone

from recollect_storage import ActivityHandler, RecollectStorage, get_storage_backend

TTL = 3 * 3600
activity = logging.getLogger("mcp_activity")
activity.setLevel(logging.INFO)


def now() -> str:
    return datetime.now(timezone.utc).isoformat()


class Zen:
    """What one server process does with its storage; `said` counts the bytes that were new."""

    def __init__(self, storage: RecollectStorage):
        self.storage, self.said = storage, 0

    def create(self, tool: str, request: dict) -> str:
        id, at = str(uuid.uuid4()), now()
        context = {"thread_id": id, "parent_thread_id": None, "created_at": at, "last_updated_at": at, "tool_name": tool}
        self.storage.setex(f"thread:{id}", TTL, json.dumps({**context, "turns": [], "initial_context": request}))
        return id

    def thread(self, id: str) -> dict:
        return json.loads(self.storage.get(f"thread:{id}"))

    def turn(self, id: str, role: str, content: str, **more) -> None:
        context = self.thread(id)
        context["turns"].append({"role": role, "content": content, "timestamp": now(), **more})
        context["last_updated_at"] = now()
        self.storage.set_with_ttl(f"thread:{id}", TTL, json.dumps(context))

    def history(self, id: str) -> str:
        turns = self.thread(id)["turns"]
        lines = ["=== CONVERSATION HISTORY (CONTINUATION) ===", f"Thread: {id}", f"Turn {len(turns)}/50", ""]
        for at, turn in enumerate(turns, 1):
            who = "Agent" if turn["role"] == "user" else "gemini"
            lines += [f"--- Turn {at} ({who}) ---", turn["content"], ""]
        return "\n".join([*lines, "=== END CONVERSATION HISTORY ==="])

    def ask(self, id: str, question: str, answer: str) -> int:
        """One continued call: the question goes in behind the whole history, as text. Bytes of what Zen handed over."""
        prompt = f"{self.history(id)}\n\n=== NEW USER INPUT ===\n{question}"
        self.turn(id, "user", prompt, files=["/x/a.py"], tool_name="chat")
        self.turn(id, "assistant", answer, tool_name="chat", model_provider="google", model_name="gemini", model_metadata={"usage": {"input_tokens": 7, "output_tokens": 3}})
        self.said += len(question.encode()) + len(answer.encode())
        return len(prompt.encode())


def question(at: int) -> str:
    return f"Question {at:03}: " + random.Random(at).randbytes(49).hex()[:97]


def answer(at: int) -> str:
    return f"Answer {at:03}: " + random.Random(1000 + at).randbytes(750).hex()


def grow(id_or_new: str, first: str, last: str) -> dict:
    """Questions from one to another in one process, as the first or the next one of a conversation."""
    zen = Zen(RecollectStorage())
    id = zen.create("chat", {"prompt": "begin", "nested": {"of": [1, None]}}) if id_or_new == "new" else id_or_new
    sent = [zen.ask(id, question(at), answer(at)) for at in range(int(first), int(last))]
    return {"id": id, "said": zen.said, "sent": sum(sent), "largest": max(sent), "thread": zen.thread(id)}


def two(count: str) -> dict:
    """Two servers that never see each other write to one conversation at once, both from the same beginning."""
    one, other = Zen(RecollectStorage()), Zen(RecollectStorage())
    id = one.create("consensus", {})
    together = threading.Barrier(2)

    def write(zen: Zen, name: str) -> None:
        for at in range(int(count)):
            context = zen.thread(id)
            together.wait()
            context["turns"].append({"role": "assistant", "content": f"{name} {at}", "timestamp": now()})
            zen.storage.setex(f"thread:{id}", TTL, json.dumps(context))

    writers = [threading.Thread(target=write, args=pair) for pair in ((one, "one"), (other, "other"))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return {"id": id, "turns": [turn["content"] for turn in one.thread(id)["turns"]]}


def again() -> dict:
    """The same JSON again and again, as Zen writes it when nothing is new; and turns that say the same at other times."""
    zen = Zen(RecollectStorage())
    id = zen.create("chat", {})
    for _ in range(3):
        zen.turn(id, "user", "ok")
    whole = zen.storage.get(f"thread:{id}")
    for _ in range(5):
        RecollectStorage().setex(f"thread:{id}", TTL, whole)
    return {"id": id, "same": zen.storage.get(f"thread:{id}") == whole, "turns": len(zen.thread(id)["turns"])}


def unknown() -> dict:
    return {"never": RecollectStorage().get(f"thread:{uuid.uuid4()}")}


async def tools() -> dict:
    """Tool calls at once, as the server logs them: one continues a conversation, one fails, one is never heard of again."""
    storage = get_storage_backend()
    handler = next(one for one in activity.handlers if isinstance(one, ActivityHandler))
    zen = Zen(storage)
    id = zen.create("chat", {})

    async def call(name: str, ends: bool = True, fails: bool = False) -> None:
        activity.info(f"TOOL_CALL: {name} with 2 arguments")
        await asyncio.sleep(0)
        if name == "chat":
            zen.turn(id, "user", "hello")
        await asyncio.sleep(0)
        if fails:
            activity.info("CONVERSATION_ERROR: Thread x not found or expired")
        elif ends:
            activity.info(f"TOOL_COMPLETED: {name}")

    await asyncio.gather(call("chat"), call("debug", fails=True), call("chat"), call("planner", ends=False))
    storage.shutdown()
    return {"id": id, "audit": handler.thread_id, "dropped": handler.dropped}


if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    done = asyncio.run(tools()) if step == "tools" else {"grow": grow, "two": two, "again": again, "unknown": unknown}[step](*arguments)
    print(json.dumps(done))
