// A page as an app's author writes it: a live list of jobs, and two buttons.
import { connectSidecar, liveList } from "../../../protocol/typescript/renderer.ts";
import type { Job } from "../../../protocol/typescript/renderer.ts";

const sidecar = connectSidecar();
const list = document.createElement("ul");
const told = document.createElement("p");
document.body.append(list, told);

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

// What happened while the page was away: everything since the last notification that its former life heard.
const KEPT = "position";
const kept = sessionStorage.getItem(KEPT);
const position = kept === null ? await sidecar.position() : JSON.parse(kept);
const hear = ({ seq, job }: { seq: number; job: Job }): void => {
  position.seq = seq;
  sessionStorage.setItem(KEPT, JSON.stringify(position));
  told.textContent += `${seq}:${job.status} `;
};
sidecar.onSince(position, { "jobs.updated": hear });

addEventListener("back up", () => void sidecar.jobs.create({ type: "maintenance.backup" }));
document.body.dataset["ready"] = "yes";
