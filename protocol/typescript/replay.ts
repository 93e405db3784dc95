// Replaying transcripts in tests: in place of the process (`ReplayTransport`), or of a page's bridge (`replayBridge`).
export { replayBridge } from "./replay_bridge.ts";
export type { ReplayBridge } from "./replay_bridge.ts";
export { NOT_RECORDED, ReplayTransport } from "./replay_transport.ts";
export type { Miss, ReplayOptions, Unused } from "./replay_transport.ts";
