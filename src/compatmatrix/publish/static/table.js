// Arrow keys in table and map; the line of reasons.
"use strict";
(() => {
  document.querySelectorAll(".matrix, .grid").forEach(arrows);
  const peek = document.getElementById("peek");
  if (peek) {
    const tell = (event) => {
      const link = event.target.closest && event.target.closest("a[title]");
      if (link) peek.textContent = link.title;
    };
    const grid = document.querySelector(".grid");
    grid.addEventListener("focusin", tell);
    grid.addEventListener("mouseover", tell);
    // Without a pointer that can hover, the first tap tells, and the second leads on.
    let tapped;
    grid.addEventListener("click", (event) => {
      const link = event.target.closest("a[title]");
      if (!link || event.pointerType !== "touch" || link === tapped) return;
      event.preventDefault();
      tapped = link;
      tell(event);
    });
  }

  // One stop for the Tab key in a table; arrows, Home and End move within it. A cell may stand in several columns.
  function arrows(table) {
    const inside = (element) => element.closest("tbody");
    const first = table.querySelector("tbody a");
    if (!first) return;
    table.querySelectorAll("tbody a").forEach((link) => (link.tabIndex = -1));
    let current = first;
    current.tabIndex = 0;
    table.addEventListener("focusin", ({ target }) => {
      if (target.tagName !== "A" || !inside(target)) return;
      current.tabIndex = -1;
      current = target;
      current.tabIndex = 0;
    });
    const cells = (row) => [...row.cells].filter((cell) => !cell.hidden);
    // The place of a cell, in columns, and the cell at a place.
    const place = (cell) => cells(cell.parentElement).reduce(([at, done], one) => (done || one === cell ? [at, true] : [at + one.colSpan, false]), [0, false])[0];
    const at = (row, column) => {
      let end = 0;
      return cells(row).find((cell) => (end += cell.colSpan) > column);
    };
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td, th");
      if (!cell || !inside(cell) || event.ctrlKey || event.metaKey || event.altKey) return;
      const row = cell.parentElement;
      const links = cells(row).filter((one) => one.querySelector("a"));
      const beside = (step) => links[links.indexOf(cell) + step];
      const beyond = (step) => {
        const rows = [...table.querySelectorAll("tbody tr")].filter((one) => !one.hidden);
        for (let y = rows.indexOf(row) + step; rows[y]; y += step) {
          const found = at(rows[y], place(cell));
          if (found && found.querySelector("a")) return found;
        }
      };
      const moves = {
        ArrowLeft: () => beside(-1), ArrowRight: () => beside(1), ArrowUp: () => beyond(-1), ArrowDown: () => beyond(1),
        Home: () => links[0], End: () => links.at(-1),
      };
      if (!moves[event.key]) return;
      event.preventDefault();
      const link = moves[event.key]()?.querySelector("a");
      if (link) link.focus({ preventScroll: true }), link.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  }
})();
