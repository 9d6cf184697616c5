"""Does one task of another program, kept by heartbeats for as long as it takes."""

import threading

from recollect import Lease, Recollect

store = Recollect()
task = store.submit("count", "to three")
done = threading.Event()

# #region work
def count(lease: Lease) -> list:
    lease.progress("counting", 1, 3)
    done.set()
    return [1, 2, 3]


store.work(["count"], count, worker="python", stop=done)
# #endregion work
print(store.task(task["taskId"], wait=30)["output"])
