/** The Claude Agent SDK keeps its sessions here. Run it beside `npm start`: `npx node examples/sdk/claude-agent-sdk.ts`. */
// #region claude
import { Recollect } from "recollect";
import { sessionStore } from "recollect/claude-agent-sdk";

const recollect = await Recollect.connect();
const store = sessionStore(recollect);
// With the SDK: query({ prompt, options: { sessionStore: store, resume } }). What it does with a store:
const key = { projectKey: "-work-app", sessionId: crypto.randomUUID() };
await store.append(key, [{ type: "user", uuid: "u1", message: { role: "user", content: "Will it rain in Ghent?" } }]);
console.log(await store.load(key), await store.listSessions("-work-app"));
await recollect.close();
// #endregion claude
