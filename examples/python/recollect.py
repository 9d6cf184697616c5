"""
Recollect over HTTP: one file, the standard library only, Python 3.9 or newer. Copy it beside your program.

    from recollect import Recollect

    store = Recollect()                      # the daemon of this machine, or url= and token=
    thread = store.thread("weather")
    thread.say("user", "Will it rain in Ghent?")

What a call returned for is on disk, in the log or in the daemon's spool. Every write carries an id that is made here once, so a
request that is sent again (a cut connection, 429, 503) is one event however often it arrives. A call tries again for `patience`
seconds and raises `Unavailable` then; whatever else is wrong is a `Problem` with `code`, `detail` and `hint`.

Times are epoch milliseconds, sequences are positions in the stream. One `Recollect` may be used by any number of threads.
"""

import http.client
import json
import os
import random
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence
from urllib.parse import quote, urlencode, urlsplit

Json = Dict[str, Any]

#: Longest wait for one answer beyond what was asked for, seconds. A follower hears a beat every 15 s.
ANSWER_SECONDS = 45
#: Longest wait of one request for a task, seconds; the server's bound is 60.
CLAIM_SECONDS = 20
#: Pauses between attempts: doubled from the first to the longest, seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


class Problem(Exception):
    """The store refuses: `code` stays the same over versions, `hint` says what to do. `status` is that of HTTP."""

    def __init__(self, status: int, said: Json):
        self.status, self.said = status, said
        self.code: str = said.get("code", "unknown")
        self.detail: str = said.get("detail", "")
        self.hint: Optional[str] = said.get("hint")
        super().__init__(f"{self.detail} {self.hint or ''}".strip() or f"HTTP {status}")


class Unavailable(Problem):
    """Nothing was answered within `patience`. What was to be written may be there: the same id again is safe."""


class Conflict(Problem):
    """Another writer came first: read again, decide again."""


class LeaseLost(Problem):
    """Another worker has the task, or it was cancelled: stop working on it."""


def new_id() -> str:
    """A UUIDv7: time first, so that ids of one program sort as they were made."""
    bits = (time.time_ns() // 1_000_000) << 80 | random.SystemRandom().getrandbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def _given(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _data_folder() -> Path:
    chosen = os.environ.get("RECOLLECT_DATA")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "recollect"


def _instance(name: str) -> Optional[str]:
    """What the daemon of the data folder has left there: its address, or this user's own token."""
    try:
        if name == "http":
            return json.loads((_data_folder() / "instance.json").read_text())["http"]
        return (_data_folder() / "keys" / "http.token").read_text().strip()
    except (OSError, ValueError, KeyError):
        return None


class Seen(NamedTuple):
    """What a follower sees. `kind` is `event`, `caughtUp` (what follows is live) or `slow` (what was missed is read again)."""

    kind: str
    sequence: int
    data: Json


class Recollect:
    """
    The store. `url` and `token` default to RECOLLECT_URL and RECOLLECT_TOKEN, then to the daemon of the data folder.
    `patience`: how long a call tries again, seconds. `tenant` may be named by an operator only.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        token: Optional[str] = None,
        *,
        tenant: Optional[str] = None,
        patience: float = 30,
    ):
        found = url or os.environ.get("RECOLLECT_URL") or _instance("http")
        if found is None:
            raise Unavailable(0, {"code": "notRunning", "detail": "No daemon runs here.", "hint": "recollect up"})
        self._at = urlsplit(found)
        self._headers = {"Authorization": f"Bearer {token or os.environ.get('RECOLLECT_TOKEN') or _instance('token')}"}
        if tenant is not None:
            self._headers["Recollect-Tenant"] = tenant
        self.patience = patience
        self._local = threading.local()

    # Histories

    def thread(self, id: Optional[str] = None) -> "Thread":
        """The thread of that id, or a new one. Naming one writes nothing."""
        return Thread(self, "threads", id or new_id())

    def history(self, kind: str, id: str) -> "History":
        """Events of a thread, task or session: `kind` is `threads`, `tasks` or `sessions`."""
        return History(self, kind, id)

    def threads(self, **query: Any) -> Json:
        """One page, newest activity first: limit, cursor, prefix, tag, since. `next` is the cursor of the next."""
        return self.ask("GET", "/v1/threads", query=query)

    def search(self, q: str, **query: Any) -> Json:
        """Where it was said, thought, called or answered."""
        return self.ask("GET", "/v1/search", query={"q": q, **query})

    def sql(self, statement: str, timeout_seconds: int = 30) -> List[Json]:
        """One reading statement over the views; for operators."""
        said = {"statement": statement, "timeoutSeconds": timeout_seconds}
        return self.ask("POST", "/v1/sql", said, seconds=timeout_seconds)

    def blob(self, sha256: str) -> bytes:
        """Bytes by their SHA-256."""
        return self.ask("GET", f"/v1/blobs/{sha256}")

    # Tasks

    def submit(self, agent_type: str, message: str, **more: Any) -> Json:
        """Submits a task. Of `more`, id, threadId, priority, maxAttempts and the like stand beside the request; the same id again adds nothing."""
        beside = ("id", "threadId", "parentTaskId", "priority", "maxAttempts", "backoffMillis", "notBefore")
        outer = {name: more.pop(name) for name in beside if name in more}
        request = {"agentType": agent_type, "message": message, **more}
        return self.ask("POST", "/v1/tasks", {"id": new_id(), **outer, "request": request})

    def task(self, id: str, wait: float = 0) -> Json:
        """How a task stands, after waiting up to `wait` seconds (60 at most) for its end."""
        return self.ask("GET", f"/v1/tasks/{_part(id)}", query={"waitMillis": int(wait * 1000)}, seconds=wait)

    def claim(self, agent_types: Sequence[str], *, worker: Optional[str] = None, wait: float = CLAIM_SECONDS) -> "Optional[Lease]":
        """The next task of one of these agent types, under a lease that is kept until it is settled; None when there was none."""
        said = _given(agentTypes=list(agent_types), worker=worker, waitMillis=int(wait * 1000))
        claimed = self.ask("POST", "/v1/tasks/claim", said, seconds=wait)
        return Lease(self, claimed) if claimed else None

    def work(
        self,
        agent_types: Sequence[str],
        handle: "Callable[[Lease], Any]",
        *,
        worker: Optional[str] = None,
        stop: Optional[threading.Event] = None,
        wait: float = CLAIM_SECONDS,
    ) -> None:
        """
        Does tasks one after the other until `stop` is set: what `handle` returns is the output, what it raises the failure.
        A lease that was lost meanwhile settles nothing, and the next task is claimed.
        """
        while stop is None or not stop.is_set():
            lease = self.claim(agent_types, worker=worker, wait=wait)
            if lease is None:
                continue
            try:
                with lease:
                    output = handle(lease)
                    if not lease.is_settled:
                        lease.complete(output)
            except LeaseLost:
                pass
            except Exception as error:  # noqa: BLE001 - the task's own failure, and told as that
                if lease.lost.is_set() or lease.is_settled:
                    continue
                lease.fail(type(error).__name__, str(error))

    # Following

    def follow(
        self,
        *,
        thread: Optional[str] = None,
        task: Optional[str] = None,
        session: Optional[str] = None,
        after: Any = None,
        seconds: Optional[float] = None,
    ) -> Iterator[Seen]:
        """
        What happens, history first, then live, for ever or for so many `seconds`: of one thread, task or session, or all of
        the tenant. `after`: a sequence, or "now". A connection that breaks is made again behind the last one seen, so that
        nothing is missed and nothing comes twice.
        """
        target = _given(thread=thread, task=task, session=session)
        until = None if seconds is None else time.monotonic() + seconds
        last: Optional[int] = None
        pauses = _Pauses(self.patience)
        while True:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return
            query = {**target, **_given(after=after if last is None else None)}
            if left is not None:
                query["forSeconds"] = max(1, int(left + 0.999))
            headers = {"Accept": "text/event-stream", **({} if last is None else {"Last-Event-ID": str(last)})}
            connection = self._connect(ANSWER_SECONDS)
            try:
                response = self._send(connection, "GET", f"/v1/follow?{urlencode(query)}", None, headers)
                if response.status != 200:
                    raise _problem(response.status, response.read())
                pauses.reset()
                for seen in _events(response):
                    pauses.reset()
                    last = max(last or 0, seen.sequence)
                    yield seen
                    if until is not None and time.monotonic() >= until:
                        return
                pauses.rest(ConnectionError("the answer ended"))
            except (OSError, http.client.HTTPException) as error:
                pauses.rest(error)
            except Unavailable as error:
                pauses.rest(error)
            finally:
                connection.close()

    # The wire

    def ask(self, method: str, path: str, said: Any = None, *, query: Optional[Json] = None, seconds: float = 0, headers: Optional[Json] = None) -> Any:
        """
        One request: JSON in, JSON out (bytes for anything else, None for 204 and 304). `seconds`: how long the server may
        wait before it answers. Only requests that may be sent twice go through here.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{self._at.path.rstrip('/')}{path}{'?' + urlencode(given) if given else ''}"
        body = None if said is None else json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")
        pauses = _Pauses(self.patience)
        while True:
            try:
                return self._once(method, target, body, headers or {}, seconds + ANSWER_SECONDS)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                pauses.rest(error)
            except Unavailable as error:
                pauses.rest(error)

    def _once(self, method: str, target: str, body: Optional[bytes], headers: Json, seconds: float) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(seconds)
        elif connection.sock is not None:
            connection.sock.settimeout(seconds)
        response = self._send(connection, method, target, body, headers)
        answered = response.read()
        if response.status >= 400:
            raise _problem(response.status, answered, response.headers.get("Retry-After"))
        if response.status in (204, 304):
            return None
        return json.loads(answered) if "json" in response.headers.get("Content-Type", "") else answered

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        of = http.client.HTTPSConnection if self._at.scheme == "https" else http.client.HTTPConnection
        return of(self._at.hostname or "127.0.0.1", self._at.port, timeout=seconds)

    def _send(self, connection: http.client.HTTPConnection, method: str, target: str, body: Optional[bytes], headers: Json) -> http.client.HTTPResponse:
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, target, body, {**self._headers, **kind, **headers})
        if connection.sock is not None:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection.getresponse()

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()


class History:
    """The events of one thread, task or session, in order."""

    def __init__(self, store: Recollect, kind: str, id: str):
        self.store, self.id = store, id
        self._path = f"/v1/{kind}/{_part(id)}"

    def append(self, type: str, data: Any, **about: Any) -> Json:
        """One event: id, occurredAt, actor, session, correlationId, causationId, durable in `about`. `x.<vendor>.<name>` holds any JSON."""
        return self._say("/events", {"type": type, "data": data, **about})

    def append_all(self, events: Sequence[Json], expected: Optional[int] = None) -> Json:
        """
        Several, all or none, in the log when this returns. `expected`: the last sequence of the history that was seen (0: it
        must be new); raises `Conflict` when another writer came first.
        """
        said = [{"id": new_id(), **event} for event in events]
        return self.store.ask("POST", f"{self._path}/events", _given(events=said, expected=expected))

    def events(self, after: int = 0, types: Optional[Sequence[str]] = None) -> Iterator[Json]:
        """All events behind a sequence, page by page; what waits in the daemon's spool at the end, with `isWaiting`."""
        place: Optional[int] = after
        while place is not None:
            query = _given(after=place, types=",".join(types) if types else None)
            page = self.store.ask("GET", f"{self._path}/events", query=query)
            yield from page["events"]
            place = page.get("next")

    def _say(self, path: str, said: Json) -> Json:
        return self.store.ask("POST", f"{self._path}{path}", {"id": new_id(), **said})


class Thread(History):
    """One conversation."""

    def say(self, role: str, text: str, **more: Any) -> Json:
        """A message: parts, model, usage, tool and the like in `more`."""
        return self._say("/messages", {"role": role, "text": text, **more})

    def sync(self, messages: Sequence[Json], **about: Any) -> Json:
        """The whole conversation as its client holds it (chat-completions messages): only what is new is appended."""
        return self.store.ask("POST", f"{self._path}/sync", {"messages": list(messages), **about})

    def observe(self, message: Json, **about: Any) -> Json:
        """One new message, stored without what it repeats of the thread."""
        return self.store.ask("POST", f"{self._path}/observe", {"message": message, "id": new_id(), **about})

    def read(self, last: Optional[int] = None, at_least: Optional[int] = None) -> Optional[Json]:
        """As it is now: title, tags, the newest messages; None when nothing was ever said in it."""
        try:
            return self.store.ask("GET", self._path, query=_given(last=last, atLeast=at_least))
        except Problem as problem:
            if problem.status == 404:
                return None
            raise

    def messages(self) -> Iterator[Json]:
        """Every message, whole, oldest first."""
        cursor: Optional[str] = ""
        while cursor is not None:
            page = self.store.ask("GET", f"{self._path}/messages", query=_given(cursor=cursor or None))
            yield from page["messages"]
            cursor = page.get("next")

    def describe(self, **fields: Any) -> Json:
        """title, tool, client, provider, model, cwd, branch, parentThreadId, addTags, removeTags."""
        return self.store.ask("PATCH", self._path, {"id": new_id(), **fields})

    def tool_called(self, name: str, arguments: Any = None, **more: Any) -> str:
        """Before the tool runs; returns the call's id for `tool_returned`."""
        said = {"callId": new_id(), "id": new_id(), "name": name, **_given(arguments=arguments), **more}
        return self.store.ask("POST", f"{self._path}/tool-calls", said)["callId"]

    def tool_returned(self, call_id: str, result: Any = None, error: Optional[Json] = None, **more: Any) -> Json:
        """What it answered, or the error {type, message} that it ended with."""
        said = {"outcome": "ok" if error is None else "error", **_given(result=result, error=error), **more}
        return self._say(f"/tool-calls/{_part(call_id)}", said)


class Lease:
    """
    One claim of a task, kept by heartbeats in a thread of its own until it is settled or left (`with lease:`). `lost` is set
    when another worker has the task or it was cancelled; every verb raises `LeaseLost` then.
    """

    def __init__(self, store: Recollect, claimed: Json):
        self._store, self._handle = store, claimed["lease"]
        self.task_id: str = claimed["taskId"]
        self.token: int = claimed["token"]
        self.attempt: int = claimed["attempt"]
        self.request: Json = claimed["request"]
        self.lease_millis: float = claimed["leaseMillis"]
        self.lost = threading.Event()
        self.is_settled = False
        self._over = threading.Event()
        threading.Thread(target=self._beat, name=f"lease {self.task_id}", daemon=True).start()

    def progress(self, message: Optional[str] = None, progress: Optional[float] = None, total: Optional[float] = None) -> None:
        self._act("progress", _given(message=message, progress=progress, total=total))

    def ask(self, message: str, key: Optional[str] = None, schema: Optional[Json] = None) -> Any:
        """Asks for input and waits for the answer, for as long as the lease holds."""
        said = _given(message=message, key=key or new_id(), schema=schema, waitMillis=CLAIM_SECONDS * 1000)
        while True:
            answered = self._act("ask", said, seconds=CLAIM_SECONDS)
            if answered["answered"]:
                return answered["answer"]

    def complete(self, output: Any = None) -> None:
        self._settle("complete", {"output": output})

    def fail(self, type: str, message: Optional[str] = None, retry: bool = True) -> None:
        self._settle("fail", {"error": _given(type=type, message=message), **({} if retry else {"retry": "never"})})

    def release(self) -> None:
        """Gives the task back, for any worker."""
        self._settle("release", {})

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()

    def _settle(self, verb: str, said: Json) -> None:
        self._act(verb, said)
        self.is_settled = True
        self._over.set()

    def _act(self, verb: str, said: Json, seconds: float = 0) -> Json:
        try:
            return self._store.ask("POST", f"/v1/leases/{verb}", {"lease": self._handle, **said}, seconds=seconds)
        except LeaseLost:
            self.lost.set()
            self._over.set()
            raise

    def _beat(self) -> None:
        while not self._over.wait(self.lease_millis / 3000):
            try:
                self._act("heartbeat", {})
            except LeaseLost:
                return
            except Problem:
                pass  # The next one may be heard in time; if not, a verb says so.


class _Pauses:
    """Waits between attempts, until there was no success for `patience` seconds."""

    def __init__(self, patience: float):
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        self._began: Optional[float] = None
        self._pause = FIRST_PAUSE

    def rest(self, error: Exception) -> None:
        if self._began is None:
            self._began = time.monotonic()
        asked = getattr(error, "retry_after", None) or 0
        pause = max(asked, self._pause * random.uniform(0.5, 1))
        if time.monotonic() + pause - self._began > self._patience:
            if isinstance(error, Problem):
                raise error
            said = {"code": "unreachable", "detail": f"The daemon does not answer: {error}.", "hint": "recollect up"}
            raise Unavailable(0, said) from error
        time.sleep(pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


def _problem(status: int, body: bytes, retry_after: Optional[str] = None) -> Problem:
    try:
        said = json.loads(body)
    except ValueError:
        said = {"detail": body[:200].decode("utf-8", "replace")}
    code = said.get("code")
    if status in (429, 503):
        problem = Unavailable(status, said)
        problem.retry_after = float(retry_after or 1)  # type: ignore[attr-defined]
        return problem
    if code == "leaseLost":
        return LeaseLost(status, said)
    return (Conflict if code == "sequenceConflict" else Problem)(status, said)


def _events(lines: Iterable[bytes]) -> Iterator[Seen]:
    """Server-sent events out of lines; comments and `retry` say nothing here."""
    kind, sequence, data = "event", 0, ""
    for raw in lines:
        line = raw.decode("utf-8").rstrip("\r\n")
        name, _, value = line.partition(": ")
        if line == "":
            if kind == "failed":
                raise _problem(503 if "navailable" in data else 400, data.encode())
            if data:
                yield Seen(kind, sequence, json.loads(data))
            kind, data = "event", ""
        elif name == "event":
            kind = value
        elif name == "id":
            sequence = int(value)
        elif name == "data":
            data += value


def _part(text: str) -> str:
    return quote(text, safe="")
