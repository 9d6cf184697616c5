/** Chats of the Vercel AI SDK. Run it beside `npm start`: `npx node examples/sdk/ai-sdk.ts`. */
// #region ai
import { Recollect } from "recollect";
import { chatStore, resumableStreams } from "recollect/ai-sdk";

const recollect = await Recollect.connect();
const chats = chatStore(recollect);
const message = { id: "m1", role: "user", parts: [{ type: "text", text: "Will it rain in Ghent?" }] };
await chats.save({ chatId: "weather-43", messages: [message] }); // in onFinish({ messages })
console.log(await chats.load("weather-43")); // for useChat({ messages })
const { publisher, subscriber } = resumableStreams(recollect); // createResumableStreamContext({ waitUntil, publisher, subscriber })
console.log(await publisher.incr("a stream"), typeof subscriber.subscribe);
await recollect.close();
// #endregion ai
