"""Shows what happens in a thread: what was, then what comes."""

from recollect import Recollect

for seen in Recollect().follow(thread="weather", seconds=5):
    if seen.kind == "caughtUp":
        print("live")
    elif seen.data["type"] == "thread.message_appended":
        print(seen.sequence, seen.data["data"]["role"])
