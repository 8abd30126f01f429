// REST: what the rest of the server may use.
export { type Comments, readComments } from "./openapi/comments.ts";
export { type DocumentOptions, openApiDocument } from "./openapi/document.ts";
export { type MonitorPages, mountMonitorPages } from "./pages.ts";
export { type Problem, sendProblem, toProblem } from "./problem.ts";
export { createRestServer, type RestServer, type RestServerOptions } from "./server.ts";
