// Shows what differs between the two chosen releases, kept in the address (#from=…&to=…). How two answers differ is in the data.
// Runs right where it stands, before what follows is laid out, so that a choice in the address moves nothing.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("answers").textContent);
  const [from, to] = ["from", "to"].map((id) => document.getElementById(id));
  const panel = document.getElementById("comparison");
  const pairings = Object.keys(data.pairings);
  const make = (tag, kind, ...content) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    element.append(...content);
    return element;
  };
  const link = (address, ...content) => {
    const element = make("a", "", ...content);
    element.href = address;
    return element;
  };
  const titled = (title) => title.split("`").map((part, number) => (number % 2 ? make("code", "", part) : part));
  const page = (version) => `release/${encodeURIComponent(version)}.html`;

  const answer = (pairing, version, probe, number) => {
    const [kind, words, why] = data.answers[number];
    const tag = link(`${page(version)}#${encodeURIComponent(pairing)}`, words);
    tag.className = `tag k-${kind}`;
    return why ? [tag, " ", make("span", "why", why)] : [tag];
  };

  const rows = (older, newer) =>
    Object.entries(data.probes).map(([probe, title], place) => {
      const answers = pairings.map((pairing) => [older, newer].map((version) => data.cells[pairing][data.releases.indexOf(version)][place]));
      const kinds = answers.map(([before, after]) => Number(data.differences[before][after]));
      return { probe, title, answers, kinds, kind: Math.min(...kinds) };
    });

  const show = () => {
    const [older, newer] = [from.value, to.value];
    const all = rows(older, newer);
    const found = all.filter((row) => row.kind < data.alarming).sort((one, other) => one.kind - other.kind);
    const beside = pairings.map((pairing) => {
      const [before, after] = [older, newer].map((version) => data.beside[pairing][data.releases.indexOf(version)]);
      return make("li", "", `${data.pairings[pairing]}: ${before} → ${after}`);
    });
    const head = make("h2", "", link(page(older), older), " → ", link(page(newer), newer));
    const upstream = data.upstream && older !== newer ? [" ", link(data.upstream.replace("{before}", older).replace("{after}", newer), "Commits and files upstream")] : [];
    const count = make("p", "", `${found.length} of ${all.length} answers differ.`, ...upstream);
    const unknown = pairings.map((pairing, number) => [data.pairings[pairing], all.filter((row) => row.kinds[number] === data.kinds.length - 1).length]);
    const notes = unknown.filter(([, lost]) => lost).map(([title, lost]) => make("p", "soft", `${title}: ${lost} cannot be compared, because one of the two gives no answer.`));
    panel.replaceChildren(head, count, make("ul", "beside soft", ...beside), ...notes);
    if (!found.length) return;
    const table = make("table", "differences");
    const top = make("tr", "", make("th", "", "Question"), ...pairings.map((pairing) => make("th", "", data.pairings[pairing])));
    top.querySelectorAll("th").forEach((cell) => (cell.scope = "col"));
    table.append(make("thead", "", top));
    let last;
    let body;
    for (const row of found) {
      if (row.kind !== last) {
        const title = make("th", "", data.kinds[(last = row.kind)]);
        [title.scope, title.colSpan] = ["rowgroup", pairings.length + 1];
        table.append((body = make("tbody", "", make("tr", "group", title))));
      }
      const name = make("th", "", link(`probe/${encodeURIComponent(row.probe)}.html`, ...titled(row.title)));
      name.scope = "row";
      const cells = row.answers.map(([before, after], number) => {
        const same = row.kinds[number] >= data.alarming;
        const content = same
          ? [make("span", "soft", data.kinds[row.kinds[number]])]
          : [...answer(pairings[number], older, row.probe, before), make("span", "becomes", " → "), ...answer(pairings[number], newer, row.probe, after)];
        const cell = make("td", "", ...content);
        cell.dataset.label = data.pairings[pairings[number]];
        return cell;
      });
      body.append(make("tr", "", name, ...cells));
    }
    panel.append(table);
  };

  const fromAddress = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const missing = ["from", "to"].filter((name) => asked.has(name) && !data.releases.includes(asked.get(name)));
    if (data.releases.includes(asked.get("from"))) from.value = asked.get("from");
    if (data.releases.includes(asked.get("to"))) to.value = asked.get("to");
    if (asked.size) show();
    if (missing.length) panel.prepend(make("p", "", `Not on record: ${missing.map((name) => asked.get(name)).join(", ")}.`));
  };
  const chosen = () => {
    history.replaceState(null, "", `#${new URLSearchParams({ from: from.value, to: to.value })}`);
    show();
  };
  from.addEventListener("change", chosen);
  to.addEventListener("change", chosen);
  addEventListener("hashchange", fromAddress);
  fromAddress();
})();
