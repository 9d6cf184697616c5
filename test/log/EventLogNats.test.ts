import { Layer } from "effect";
import { eventLogContract } from "../contract/EventLogContract.ts";
import { byHand, logOnServer } from "./natsLayers.ts";

eventLogContract("EventLogNats on one server", byHand.pipe(Layer.provideMerge(logOnServer())));
