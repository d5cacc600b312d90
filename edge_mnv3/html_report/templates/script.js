"use strict";
// Tables that sort; without this script they stand in the order that the text speaks of.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (body.rows.length < 3) continue;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const downward = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", downward ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
      };
      const order = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (typeof x === "number" && typeof y === "number") return x - y;
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        return x.localeCompare(y, "en", { numeric: true });
      };
      const rows = [...body.rows].sort(order);
      body.append(...(downward ? rows.reverse() : rows));
    });
  });
}
// Of many histograms those of one block can be chosen; without this script all are shown.
for (const list of document.querySelectorAll("[data-choose]")) {
  const groups = [...new Set([...list.children].map((each) => each.dataset.group))];
  const select = document.createElement("select");
  select.append(new Option("all blocks", ""), ...groups.map((group) => new Option(group, group)));
  const label = document.createElement("label");
  label.className = "choose";
  label.append(list.dataset.choose, select);
  list.before(label);
  select.addEventListener("change", () => {
    for (const each of list.children) each.hidden = select.value !== "" && each.dataset.group !== select.value;
  });
}
// On paper everything is unfolded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((each) => { each.open = true; });
});
addEventListener("afterprint", () => folded.forEach((each) => { each.open = false; }));
