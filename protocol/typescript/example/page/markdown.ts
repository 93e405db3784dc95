// Renders Markdown as elements, never as HTML: tags are shown as text, images become links, and only web addresses
// become links.
import { lexer } from "marked";
import type { Token, Tokens } from "marked";
import { codeBlock } from "./code.ts";
import { h, isWebAddress, link } from "./dom.ts";

/** The direction of a text by its own letters. */
const AUTO = { dir: "auto" } as const;

export function markdown(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  fragment.append(...nodes(lexer(text, { gfm: true, breaks: true })));
  return fragment;
}

function nodes(tokens: readonly Token[] | undefined): Node[] {
  return (tokens ?? []).map(node).filter((created) => created !== null);
}

function node(token: Token): Node | null {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      return h(`h${Math.min(6, token["depth"] + 2)}` as "h3", AUTO, ...nodes(token.tokens));
    case "paragraph":
      return h("p", AUTO, ...nodes(token.tokens));
    case "blockquote":
      return h("blockquote", AUTO, ...nodes(token.tokens));
    case "list":
      return list(token as Tokens.List);
    case "code":
      return codeBlock(token["text"], token["lang"]);
    case "table":
      return table(token as Tokens.Table);
    case "hr":
      return h("hr");
    default:
      return inline(token);
  }
}

function inline(token: Token): Node {
  const { text = token.raw, tokens } = token as Tokens.Generic & { text?: string };
  switch (token.type) {
    case "strong":
      return h("strong", {}, ...nodes(tokens));
    case "em":
      return h("em", {}, ...nodes(tokens));
    case "del":
      return h("del", {}, ...nodes(tokens));
    case "codespan":
      return h("code", {}, text);
    case "br":
      return h("br");
    case "link":
      return link(String(token["href"]), ...nodes(tokens));
    case "image":
      // Fetching the image would reveal to its server that the text was read.
      return isWebAddress(token["href"]) ? link(token["href"], text || "image") : document.createTextNode(text);
    case "checkbox":
      return document.createTextNode(token["checked"] ? "☑ " : "☐ ");
    case "text":
    case "escape":
      return tokens === undefined ? document.createTextNode(text) : fragmentOf(tokens);
    default:
      return document.createTextNode(token.raw);
  }
}

function fragmentOf(tokens: Token[]): DocumentFragment {
  const fragment = document.createDocumentFragment();
  fragment.append(...nodes(tokens));
  return fragment;
}

function list({ ordered, start, items }: Tokens.List): Node {
  const rows = items.map((item) => h("li", {}, ...nodes(item.tokens)));
  return ordered ? h("ol", { ...AUTO, start: start === 1 ? null : String(start) }, ...rows) : h("ul", AUTO, ...rows);
}

/** A table, which is scrolled where it is too wide. */
function table({ header, rows }: Tokens.Table): Node {
  const row = (name: "th" | "td", cells: Tokens.TableCell[]): Node =>
    h("tr", {}, ...cells.map(({ tokens, align }) => h(name, { ...AUTO, "data-align": align }, ...nodes(tokens))));
  const body = h("tbody", {}, ...rows.map((cells) => row("td", cells)));
  const whole = h("table", {}, h("thead", {}, row("th", header)), body);
  return h("div", { class: "table", role: "group", "aria-label": "Table", tabindex: 0 }, whole);
}
