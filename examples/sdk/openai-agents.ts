/** A session of the OpenAI Agents SDK. Run it beside `npm start`: `npx node examples/sdk/openai-agents.ts`. */
// #region openai
import { Recollect } from "recollect";
import { session } from "recollect/openai-agents";

const recollect = await Recollect.connect();
const conversation = session(recollect, "weather-42");
// With the SDK: run(agent, "Will it rain in Ghent?", { session: conversation }). What it does with a session:
await conversation.addItems([{ type: "message", role: "user", content: "Will it rain in Ghent?" }]);
console.log(await conversation.getItems());
await recollect.close();
// #endregion openai
