// Elements are made with text, never with markup: nothing that a name says can become part of the page.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function fill(id, ...children) {
  byId(id).replaceChildren(...children);
}

function show(id, shown) {
  byId(id).hidden = !shown;
}

/** A table of head cells and rows that scrolls within the page, by keyboard too. */
function scrollingTable(label, head, rows, kind = null) {
  const [first, others] = [element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)];
  const table = element("table", { class: kind }, first, others);
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

/** A plain table of texts; the first cell of each row is its head. */
function plainTable(caption, head, rows) {
  const titles = head.map((title, place) => element("th", { scope: "col", class: place ? null : "left" }, title));
  const lines = rows.map((cells) =>
    element(
      "tr",
      {},
      ...cells.map((cell, place) =>
        place ? element("td", { class: "number" }, cell) : element("th", { scope: "row", class: "left" }, cell),
      ),
    ),
  );
  return scrollingTable(caption, titles, lines);
}

/** A chart: its frame with title, sentence and numbers as a table, the room to draw in, and what makes its option. */
function figure(title, sentence, numbers, option) {
  const room = element("div", { class: "chart", role: "img", "aria-label": `${title}. ${sentence}` });
  const lookup = numbers && element("details", {}, element("summary", {}, `The numbers: ${title}`));
  if (lookup)
    lookup.addEventListener("toggle", () => {
      if (lookup.open && lookup.children.length === 1) lookup.append(numbers());
    });
  const caption = element("figcaption", {}, element("h3", {}, title), sentence);
  return { room, option, frame: element("figure", {}, caption, room, lookup) };
}
