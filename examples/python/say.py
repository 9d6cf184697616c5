"""Says something in a thread, and reads it back."""

from recollect import Recollect

store = Recollect()
thread = store.thread("weather")
thread.say("user", "Will it rain in Ghent?")
call = thread.tool_called("forecast", {"city": "Ghent"})
thread.tool_returned(call, {"rain": True})
thread.sync([{"role": "user", "content": "Will it rain in Ghent?"}, {"role": "assistant", "content": "Yes."}])
for message in thread.messages():
    print(message["role"], message["text"])
