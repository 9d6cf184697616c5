/** A graph of LangGraph that goes on after a restart. Run it beside `npm start`, where LangGraph is installed. */
// #region langgraph
import { MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { Recollect } from "recollect";
import { RecollectSaver } from "recollect/langgraph";

const recollect = await Recollect.connect();
const checkpointer = new RecollectSaver(recollect);
const answer = () => ({ messages: [{ role: "assistant", content: "Yes, take an umbrella." }] });
const graph = new StateGraph(MessagesAnnotation)
  .addNode("answer", answer)
  .addEdge(START, "answer")
  .compile({ checkpointer });
const config = { configurable: { thread_id: "weather-44" } };
console.log(await graph.invoke({ messages: [{ role: "user", content: "Will it rain in Ghent?" }] }, config));
await recollect.close();
// #endregion langgraph
