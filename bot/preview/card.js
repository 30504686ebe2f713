// The model's card: the Markdown that `python -m export` writes -> elements. Nothing in it becomes HTML by itself.

const INLINE = /`([^`]+)`|\*\*(.+?)\*\*|\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)/g;
const ENDS_LIST = /^(#{1,5} |```|\|)/;
const STARTS = /^(#{1,5} |```|\||- )/; // of a block, which ends the paragraph before it

export function render(markdown) {
  const lines = markdown.replace(/^---\r?\n.*?\n---\r?\n/s, "").split(/\r?\n/); // without its front matter
  const blocks = [];
  while (lines.length) blocks.push(takeBlock(lines));
  return blocks;
}

function takeBlock(lines) {
  const line = lines.shift();
  const heading = /^(#{1,5}) (.*)/.exec(line);
  if (heading) return create(`h${heading[1].length + 1}`, ...inline(heading[2])); // h1 is the page's
  if (line.startsWith("```")) {
    const code = takeWhile(lines, (next) => !next.startsWith("```"));
    lines.shift();
    return create("pre", code.join("\n"));
  }
  if (line.startsWith("|")) return createTable([line, ...takeWhile(lines, (next) => next.startsWith("|"))]);
  if (line.startsWith("- ")) return createList([line, ...takeWhile(lines, (next) => next.trim() && !ENDS_LIST.test(next))]);
  if (!line.trim()) return "";
  return create("p", ...inline([line, ...takeWhile(lines, (next) => next.trim() && !STARTS.test(next))].join(" ")));
}

// A point goes on in the lines after it that do not start another.
function createList(lines) {
  const points = lines.join("\n").slice(2).split("\n- ");
  return create("ul", ...points.map((point) => create("li", ...inline(point.replaceAll(/\n\s*/g, " ")))));
}

function takeWhile(lines, belongs) {
  const end = lines.findIndex((line) => !belongs(line));
  return lines.splice(0, end < 0 ? lines.length : end);
}

// The second row is Markdown's rule between head and body.
function createTable([head, , ...rows]) {
  const cells = (row) => row.replace(/^\||\|\s*$/g, "").split("|").map((cell) => inline(cell.trim()));
  const titles = cells(head).map((cell) => create("th", ...cell));
  titles.forEach((title) => title.setAttribute("scope", "col"));
  const body = rows.map((row) => create("tr", ...cells(row).map((cell) => create("td", ...cell))));
  return create("table", create("thead", create("tr", ...titles)), create("tbody", ...body));
}

function inline(words) {
  const parts = [];
  let end = 0;
  for (const match of words.matchAll(INLINE)) {
    const [all, code, bold, link, address] = match;
    parts.push(words.slice(end, match.index));
    if (code) parts.push(create("code", code));
    else if (bold) parts.push(create("strong", ...inline(bold)));
    else parts.push(Object.assign(create("a", link), { href: address, target: "_blank", rel: "noreferrer" }));
    end = match.index + all.length;
  }
  return [...parts, words.slice(end)];
}

function create(name, ...children) {
  const element = document.createElement(name);
  element.append(...children);
  return element;
}
