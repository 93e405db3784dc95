// Code in the colours of its language, with a button that copies it; its lines do not wrap.
import { common, createLowlight } from "lowlight";
import { button, fill, h } from "./dom.ts";

/** Longer code is not coloured: that would block the page. */
const COLOURED_CHARS = 20_000;
const COPIED_MS = 2_000;

const lowlight = createLowlight(common);
type Tree = ReturnType<typeof lowlight.highlight>["children"][number];

/** `language` is the first word after the fence. */
export function codeBlock(text: string, language: string | undefined): HTMLElement {
  const name = language?.trim().split(/\s/, 1)[0]?.toLowerCase() ?? "";
  const isColoured = lowlight.registered(name) && text.length <= COLOURED_CHARS;
  const content = isColoured ? lowlight.highlight(name, text).children.map(nodeOf) : [text];
  const label = name === "" ? "Code" : `Code, ${name}`;
  return h(
    "div",
    { class: "code", role: "group", "aria-label": label },
    h("pre", { tabindex: 0, dir: "ltr" }, h("code", {}, ...content)),
    copyButton(() => text),
  );
}

export function copyButton(textOf: () => string): HTMLElement {
  const copy = button(
    "Copy",
    async () => {
      const isCopied = await navigator.clipboard.writeText(textOf()).then(
        () => true,
        () => false,
      );
      fill(copy, isCopied ? "Copied" : "Not copied");
      setTimeout(() => fill(copy, "Copy"), COPIED_MS);
    },
    { class: "copy" },
  );
  return copy;
}

function nodeOf(tree: Tree): Node | string {
  if (tree.type === "text") return tree.value;
  if (tree.type !== "element") return "";
  const classes = tree.properties["className"];
  const children = tree.children.map(nodeOf);
  return h("span", { class: Array.isArray(classes) ? classes.join(" ") : "" }, ...children);
}
