// A page as an app's author writes it, with a live list of jobs.
import { connectSidecar, liveList } from "../../../protocol/typescript/renderer.ts";
import type { Job } from "../../../protocol/typescript/renderer.ts";

const sidecar = connectSidecar();
const list = document.createElement("ul");
const received = document.createElement("p");
document.body.append(list, received);

const jobs = liveList<Job>(sidecar, {
  load: () => sidecar.jobs.list({ limit: 20 }).then((page) => page.jobs),
  key: (job) => job.job_id,
  version: (job) => job.version,
  changes: { "jobs.updated": ({ job }) => ({ put: job }) },
  compare: (one, other) => other.created_at.localeCompare(one.created_at),
});
jobs.subscribe((items) =>
  list.replaceChildren(
    ...items.map((job) => {
      const item = document.createElement("li");
      item.textContent = `${job.type}: ${job.status}`;
      return item;
    }),
  ),
);

// After a reload, first receive the notifications since the last one that was stored.
const STORAGE_KEY = "position";
const stored = sessionStorage.getItem(STORAGE_KEY);
const position = stored === null ? await sidecar.position() : JSON.parse(stored);
const onJobUpdated = ({ seq, job }: { seq: number; job: Job }): void => {
  position.seq = seq;
  sessionStorage.setItem(STORAGE_KEY, JSON.stringify(position));
  received.textContent += `${seq}:${job.status} `;
};
sidecar.onSince(position, { "jobs.updated": onJobUpdated });

addEventListener("back up", () => void sidecar.jobs.create({ type: "maintenance.backup" }));
document.body.dataset["ready"] = "yes";
