/** A conversation, recorded. Run it beside `npm start`: `npx node examples/publish.ts`. */
// #region publish
import { Recollect } from "recollect";

const recollect = await Recollect.connect({ client: "weather-agent" });
const thread = recollect.thread();
await thread.say({ role: "user", text: "Will it rain in Ghent?" });
const call = await thread.toolCalled({ name: "forecast", arguments: { city: "Ghent" } });
await call.returned({ rain: true });
await thread.say({ role: "assistant", text: "Yes, take an umbrella." });
await recollect.close();
// #endregion publish
