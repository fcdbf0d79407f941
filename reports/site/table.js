// The table's filters and pairing switch, kept in the address; arrow keys in table and map; the map's line of reasons.
"use strict";
(() => {
  const form = document.querySelector("form.filters");
  if (form) filters(form);
  document.querySelectorAll(".matrix, .grid").forEach(arrows);
  const peek = document.getElementById("peek");
  if (peek) {
    const tell = (event) => {
      const link = event.target.closest && event.target.closest("a[title]");
      if (link) peek.textContent = link.title;
    };
    document.querySelector(".grid").addEventListener("focusin", tell);
    document.querySelector(".grid").addEventListener("mouseover", tell);
  }

  function filters(form) {
    const signatures = [...document.querySelectorAll("#signatures li")].map((item) => item.textContent.toLowerCase());
    const tables = [...document.querySelectorAll(".pairing")].map((section) => {
      const table = section.querySelector("table");
      const heads = [...table.tHead.rows[1].cells];
      return {
        section,
        pairing: section.dataset.pairing,
        groups: [...table.tHead.rows[0].cells].slice(1),
        columns: heads.map((head, index) => ({
          head,
          group: head.dataset.group,
          text: `${head.dataset.find} ${head.textContent}`.toLowerCase(),
          colgroup: index,
        })),
        colgroups: [...table.querySelectorAll("colgroup[data-group]")],
        rows: [...table.tBodies[0].rows].map((row, index) => ({
          row,
          index,
          version: row.dataset.release,
          cells: [...row.cells].slice(1).map((cell) => ({
            cell,
            kind: cell.className.split(" ")[0].slice(2),
            signature: cell.dataset.s === undefined ? "" : signatures[cell.dataset.s],
          })),
        })),
      };
    });
    const output = form.querySelector("output");

    const apply = () => {
      const asked = Object.fromEntries(new FormData(form));
      const text = asked.text.trim().toLowerCase();
      for (const table of tables) {
        const shown = table.pairing === asked.pairing;
        table.section.classList.toggle("shown", shown);
        table.section.classList.toggle("off", !shown);
        if (!shown) continue;
        const order = table.rows.map((row) => row.version); // newest first
        const newest = asked.to ? order.indexOf(asked.to) : 0;
        const oldest = asked.from ? order.indexOf(asked.from) : order.length - 1;
        const cellwise = Boolean(asked.outcome || text);
        const named = table.columns.map((column) => !text || column.text.includes(text));
        const used = table.columns.map(() => false);
        let count = 0;
        for (const row of table.rows) {
          const inside = row.index >= newest && row.index <= oldest;
          let any = false;
          row.cells.forEach((cell, index) => {
            const match =
              inside &&
              (!asked.group || table.columns[index].group === asked.group) &&
              (!asked.outcome || cell.kind === asked.outcome) &&
              (!text || named[index] || row.version === text || cell.signature.includes(text));
            cell.match = match;
            if (match) [any, used[index], count] = [true, true, count + 1];
          });
          row.row.hidden = !any;
        }
        for (const row of table.rows)
          if (!row.row.hidden)
            row.cells.forEach((cell, index) => {
              if (cell.cell.hidden === used[index]) cell.cell.hidden = !used[index];
              const dim = cellwise && !cell.match;
              if (dim !== cell.dim) cell.cell.classList.toggle("dim", (cell.dim = dim));
            });
        table.columns.forEach((column, index) => (column.head.hidden = !used[index]));
        table.groups.forEach((head, number) => {
          const span = table.columns.filter((column, index) => used[index] && column.group === head.dataset.group).length;
          head.hidden = !span;
          head.colSpan = Math.max(span, 1);
          table.colgroups[number].span = Math.max(span, 1);
          table.colgroups[number].hidden = !span;
        });
        const columns = used.filter(Boolean).length;
        const rows = table.rows.filter((row) => !row.row.hidden).length;
        output.textContent = count ? `${count} answers: ${rows} releases, ${columns} questions` : "No answer fits.";
      }
    };

    const keep = () => {
      const kept = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value && !(name === "pairing" && value === tables[0].pairing)) kept.set(name, value);
      history.replaceState(null, "", kept.size ? `#${kept}` : location.pathname.split("/").pop() || "#");
    };
    const fromAddress = () => {
      const asked = new URLSearchParams(location.hash.slice(1));
      if (![...asked.keys()].some((name) => form.elements[name])) return;
      form.reset();
      for (const [name, value] of asked) if (form.elements[name]) form.elements[name].value = value;
    };
    form.addEventListener("input", () => (apply(), keep()));
    form.addEventListener("reset", () => setTimeout(() => (apply(), keep())));
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("hashchange", () => (fromAddress(), apply()));
    fromAddress();
    apply();
    // A fragment that names a column or the other pairing brings it into view.
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const section = target && target.closest(".pairing");
    if (section) {
      form.elements.pairing.value = section.dataset.pairing;
      apply();
      target.scrollIntoView({ block: "nearest", inline: "center" });
    }
  }

  // One stop for the Tab key in a table; arrows, Home and End move within it.
  function arrows(table) {
    const links = [...table.tBodies[0].querySelectorAll("a")];
    if (!links.length) return;
    links.forEach((link, index) => (link.tabIndex = index ? -1 : 0));
    let current = links[0];
    table.tBodies[0].addEventListener("focusin", (event) => {
      if (event.target.tagName !== "A") return;
      current.tabIndex = -1;
      current = event.target;
      current.tabIndex = 0;
    });
    table.tBodies[0].addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e3], End: [0, 1e3] }[event.key];
      const cell = event.target.closest("td, th");
      if (!step || !cell || event.ctrlKey || event.metaKey || event.altKey) return;
      const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
      const visible = (row) => [...row.cells].filter((other) => !other.hidden);
      let y = rows.indexOf(cell.parentElement);
      let x = visible(cell.parentElement).indexOf(cell);
      event.preventDefault();
      for (;;) {
        y += step[0];
        x += step[1];
        if (Math.abs(step[1]) > 1) x = Math.max(0, Math.min(x, visible(rows[y]).length - 1));
        const next = rows[y] && visible(rows[y])[x];
        if (!next) return;
        const link = next.querySelector("a");
        if (link) return void (link.focus(), link.scrollIntoView({ block: "nearest", inline: "nearest" }));
        if (Math.abs(step[1]) > 1) step[1] = -Math.sign(step[1]);
      }
    });
  }
})();
