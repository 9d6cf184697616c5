/** Tasks of the A2A SDK. Run it beside `npm start`: `npx node examples/sdk/a2a.ts`. */
// #region a2a
import { Recollect } from "recollect";
import { taskStore } from "recollect/a2a";

const recollect = await Recollect.connect();
const store = taskStore(recollect);
// With the SDK: new DefaultRequestHandler(card, store, executor). What it does with a store:
const status = { state: "working", timestamp: new Date().toISOString() };
await store.save({ id: crypto.randomUUID(), contextId: "weather", status });
console.log(await store.list({ contextId: "weather" }));
await recollect.close();
// #endregion a2a
