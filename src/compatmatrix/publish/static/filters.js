// The table's filters and its switch of companions, kept in the address; a line for the cell pointed at.
"use strict";
(() => {
  const form = document.querySelector("form.filters");
  const [output, nothing] = [form.querySelector("output"), document.querySelector(".nothing")];
  const norm = (text) => text.toLowerCase().replace(/\s+/g, " ").trim();
  const tables = [...document.querySelectorAll(".pairing")].map((section) => {
    const heads = [...section.querySelectorAll("thead [data-release]")];
    const cols = [...section.querySelectorAll("col")].slice(1);
    const groups = [...section.querySelectorAll("tbody")].map((body) => ({
      head: body.rows[0],
      key: body.dataset.group,
      rows: [...body.rows].slice(1).map((row) => ({
        row,
        text: norm(`${row.dataset.find} ${row.cells[0].textContent}`),
        cells: [...row.cells].slice(1).map((cell) => ({
          cell,
          start: Number(cell.dataset.start),
          count: cell.colSpan,
          kind: cell.className.slice(2),
          text: norm(cell.textContent),
        })),
      })),
    }));
    const detail = section.querySelector(".detail");
    const tell = ({ target }) => {
      const cell = target.closest?.("td");
      if (!cell) return;
      const part = (name) => cell.querySelector(name)?.textContent || "";
      detail.textContent = `${cell.parentElement.cells[0].textContent}, ${part(".span")}: ${part(".sign")} ${part(".label")} ${part(".why")}`;
    };
    section.addEventListener("mouseover", tell);
    section.addEventListener("focusin", tell);
    return { section, heads, cols, groups, frame: section.querySelector(".frame"), order: heads.map((head) => head.dataset.release) };
  });
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const label = (name) => form.elements[name].selectedOptions[0].textContent;

  // Which questions fit, and why the others do not; with `draw`, the table is changed accordingly.
  const filter = (table, asked, draw) => {
    const text = norm(asked.text);
    const newest = asked.to ? table.order.indexOf(asked.to) : table.order.length - 1;
    const oldest = asked.from ? table.order.indexOf(asked.from) : 0;
    const counts = { shown: 0, group: 0, unfit: 0, releases: Math.max(0, newest - oldest + 1) };
    for (const group of table.groups) {
      let any = false;
      for (const { row, text: own, cells } of group.rows) {
        const inGroup = !asked.group || group.key === asked.group;
        const named = !text || own.includes(text);
        let fits = false;
        for (const one of cells) {
          const span = Math.min(newest, one.start + one.count - 1) - Math.max(oldest, one.start) + 1;
          const match = span > 0 && (!asked.outcome || one.kind === asked.outcome) && (named || one.text.includes(text));
          fits ||= match;
          if (!draw) continue;
          one.cell.hidden = span < 1;
          if (span > 0) one.cell.colSpan = span;
          one.cell.classList.toggle("dim", !match);
        }
        counts[inGroup ? (fits ? "shown" : "unfit") : "group"] += 1;
        any ||= inGroup && fits;
        if (draw) row.hidden = !(inGroup && fits);
      }
      if (draw) group.head.hidden = !any;
    }
    if (draw)
      table.heads.forEach((head, number) => {
        head.hidden = table.cols[number].hidden = number < oldest || number > newest;
      });
    return counts;
  };

  const apply = () => {
    const asked = Object.fromEntries(new FormData(form));
    const wanted = [asked.outcome && label("outcome"), asked.text.trim() && `“${asked.text.trim()}”`].filter(Boolean).join(" and ");
    for (const table of tables) {
      const shown = table.section.dataset.pairing === asked.pairing;
      table.section.classList.toggle("shown", shown);
      table.section.classList.toggle("off", !shown);
      if (!shown) continue;
      const counts = filter(table, asked, true);
      const all = counts.shown + counts.group + counts.unfit;
      const hidden = [
        counts.group && `${plural(counts.group, "question")} outside “${label("group")}”`,
        counts.unfit && `${plural(counts.unfit, "question")} without ${wanted || "an answer"}`,
        counts.releases < table.order.length &&
          `${plural(table.order.length - counts.releases, "release")}${asked.from ? ` before ${asked.from}` : ""}${asked.from && asked.to ? " or" : ""}${asked.to ? ` after ${asked.to}` : ""}`,
      ].filter(Boolean);
      output.textContent = `${counts.shown} of ${plural(all, "question")}, ${counts.releases} of ${plural(table.order.length, "release")}.${hidden.length ? ` Hidden: ${hidden.join("; ")}.` : ""}`;
      table.frame.hidden = nothing.hidden = false;
      if (counts.shown) nothing.hidden = true;
      else {
        table.frame.hidden = true;
        const others = tables.filter((other) => other !== table).map((other) => [other.section.dataset.title, filter(other, asked, false).shown]);
        const elsewhere = others.filter(([, count]) => count).map(([title, count]) => ` Tested ${title}, ${plural(count, "question")} would fit.`);
        nothing.textContent = counts.releases
          ? `No answer fits. “Show everything” takes the filters away.${elsewhere.join("")}`
          : `${asked.from} came after ${asked.to}: no release is between them.`;
      }
    }
  };

  const keep = () => {
    const kept = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value && !(name === "pairing" && value === tables[0].section.dataset.pairing)) kept.set(name, value);
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
  // A fragment that names a question or the other pairing brings it into view.
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const section = target?.closest(".pairing");
  if (section) form.elements.pairing.value = section.dataset.pairing;
  apply();
  if (section) target.scrollIntoView({ block: "nearest", inline: "nearest" });
  else for (const { frame } of tables) frame.scrollLeft = frame.scrollWidth; // the latest releases
})();
