// The two menus: shows what is known of the chosen versions, and keeps the choice in the address (#subject=…&companion=…).
// Runs right where it stands, before what follows is laid out, so that a choice in the address moves nothing.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("choices").textContent);
  const [subject, companion] = ["choose-subject", "choose-companion"].map((id) => document.getElementById(id));
  const panel = document.getElementById("panel");
  const slot = (name) => panel.querySelector(`[data-slot="${name}"]`);
  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };

  // Titles mark code by backticks, as the pages made without this script show it.
  const titled = (link, title) => {
    title.split("`").forEach((part, number) => link.append(number % 2 ? make("code", part) : part));
    return link;
  };

  const say = (name, said) =>
    slot(name).replaceChildren(make("span", `${said.sign} ${said.word}`, `tag k-${said.kind}`), " ", make("span", said.text || ""));

  const offer = () => {
    const release = data.releases[subject.value];
    const kept = companion.value;
    const any = make("option", "any");
    any.value = "";
    companion.replaceChildren(any, ...Object.keys(release.pairs).map((version) => make("option", version)));
    companion.value = kept in release.pairs ? kept : "";
  };

  const show = (unknown) => {
    const release = data.releases[subject.value];
    const version = companion.value;
    // A pair's answer holds what differs from its release's.
    const answer = { ...data.answers[release.any], ...(version ? data.answers[release.pairs[version]] : {}) };
    const page = `release/${encodeURIComponent(subject.value)}.html`;
    slot("chosen").textContent =
      `${subject.labels[0].firstChild.textContent.trim()} ${subject.value}` +
      (version ? `, ${data.companion} ${version}` : unknown ? ` (${data.companion} ${unknown} is not on record with it)` : "");
    slot("page").href = version ? `${page}#${encodeURIComponent(`${data.companion}-${version}`)}` : page;
    slot("install").hidden = !answer.install;
    slot("install").querySelector("code").textContent = answer.install;
    slot("install-title").textContent = answer.install_title;
    if (data.companion) say("imports", answer.imports);
    say("headline", answer.headline);
    const traps = (answer.traps || []).map((id) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `probe/${encodeURIComponent(id)}.html`;
      item.append(make("span", data.silent[0], `tag k-${data.silent[1]}`), " ", titled(link, data.probes[id]));
      return item;
    });
    if (traps.length) {
      const list = document.createElement("ul");
      list.append(...traps);
      slot("traps").replaceChildren(list);
    } else slot("traps").textContent = "None known.";
    slot("recipe-title").textContent = answer.recipe_title || "no recipe";
    slot("recipe-note").textContent = answer.recipe_note;
    slot("recipe").hidden = !answer.recipe;
    slot("recipe").querySelector("code").textContent = data.recipes[answer.recipe] || "";
  };

  const fromAddress = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const version = asked.get(data.subject);
    if (!version || !(version in data.releases)) return false;
    subject.value = version;
    offer();
    const other = asked.get(data.companion) || "";
    companion.value = other in data.releases[version].pairs ? other : "";
    show(companion.value === other ? "" : other);
    return true;
  };

  const chosen = () => {
    const kept = new URLSearchParams({ [data.subject]: subject.value });
    if (companion.value) kept.set(data.companion, companion.value);
    history.replaceState(null, "", `#${kept}`);
    show("");
  };
  subject.addEventListener("change", () => (offer(), chosen()));
  companion.addEventListener("change", chosen);
  addEventListener("hashchange", fromAddress);
  offer();
  fromAddress();
})();
