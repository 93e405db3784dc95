// The images and files of a prompt: chosen, pasted or dropped, and listed until they are sent.
import { RpcError } from "sidecar-electron/renderer";
import type { PromptPart } from "sidecar-electron/renderer";
import { button, fill, h, setAttribute } from "./dom.ts";

/** Images, PDF documents and texts; the sidecar decides by the content. */
const ACCEPTED = "image/png,image/jpeg,image/gif,image/webp,application/pdf,text/*,.md,.json,.csv,.log";
/** Larger files are not read: the sidecar refuses them. */
const LARGEST_BYTES = 20 * 1024 * 1024;

interface Attached {
  file: File;
  row: HTMLElement;
  problem: HTMLElement;
}

export class Attachments {
  readonly list = h("ul", { class: "attachments", "aria-label": "Attachments", hidden: true });
  readonly button: HTMLElement;
  #files: Attached[] = [];

  constructor() {
    const choice = h("input", { type: "file", multiple: true, accept: ACCEPTED, hidden: true, "aria-label": "Files" });
    choice.addEventListener("change", () => {
      this.add(choice.files ?? []);
      choice.value = "";
    });
    const attach = button("Attach", () => choice.click(), { class: "quiet-button", label: "Attach images or files" });
    this.button = h("span", {}, attach, choice);
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** Takes the files that are pasted into a field or dropped on an area. */
  receive(field: HTMLElement, area: HTMLElement): void {
    field.addEventListener("paste", (event) => {
      const files = event.clipboardData?.files;
      if (files === undefined || files.length === 0) return; // a text
      event.preventDefault();
      this.add(files);
    });
    const drag = (event: DragEvent): void => {
      if (event.dataTransfer?.types.includes("Files") !== true) return;
      event.preventDefault(); // otherwise the window would show the file
      area.toggleAttribute("data-drop", event.type === "dragover");
      if (event.type === "drop") this.add(event.dataTransfer.files);
    };
    for (const name of ["dragover", "dragleave", "drop"] as const) area.addEventListener(name, drag);
  }

  add(files: Iterable<File>): void {
    for (const file of files) {
      const problem = h("span", { class: "attachment-problem" });
      const remove = button("×", () => this.#remove(file), { class: "quiet-button", label: `Remove ${file.name}` });
      const size = h("span", { class: "hint" }, sizeOf(file.size));
      const row = h("li", { class: "attachment" }, h("span", { dir: "auto" }, file.name), size, problem, remove);
      this.#files.push({ file, row, problem });
      if (file.size > LARGEST_BYTES) this.#refuse(this.#files.length - 1, "Larger than 20 MiB.");
    }
    this.#show();
  }

  /** Reads the files. */
  parts(): Promise<PromptPart[]> {
    return Promise.all(
      this.#files.map(async ({ file }) => ({ type: "file", name: file.name, data: await base64(file) }) as const),
    );
  }

  /** Shows at its file why the sidecar refused a prompt; `offset` is the number of parts before the first file. */
  refused(error: unknown, offset: number): void {
    if (!(error instanceof RpcError) || !Array.isArray(error.data.details)) return;
    for (const { path, message } of error.data.details) {
      const index = /^content\.(\d+)/.exec(String(path))?.[1];
      if (index !== undefined) this.#refuse(Number(index) - offset, String(message ?? error.message));
    }
  }

  clear(): void {
    this.#files = [];
    this.#show();
  }

  #refuse(index: number, problem: string): void {
    const refused = this.#files[index];
    if (refused === undefined) return;
    setAttribute(refused.row, "data-refused", true);
    fill(refused.problem, problem);
  }

  #remove(file: File): void {
    this.#files = this.#files.filter((one) => one.file !== file);
    this.#show();
  }

  #show(): void {
    fill(this.list, ...this.#files.map(({ row }) => row));
    this.list.hidden = this.isEmpty;
  }
}

/** `320 B`, `12 KiB`, `1.4 MiB`. */
export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 ** 2 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",", 2)[1] ?? "");
    reader.onerror = () => reject(new Error(`${file.name} cannot be read: ${reader.error?.message ?? "unknown"}`));
    reader.readAsDataURL(file);
  });
}
