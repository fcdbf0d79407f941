// "Paste your error": finds the error of a pasted text among those on record. Searches as analysis/errors.py does, by the same
// rules, which stand in the page; a test holds the two against each other. Nothing is sent.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("search").textContent);
  const [SIGNATURE, MOST_TEXT, MOST_LINES, CLOSE] = data.limits;
  const rules = data.rules.map(([pattern, text]) => [new RegExp(pattern, "gu"), text]);
  const errors = data.errors.map((pattern) => new RegExp(pattern, "su"));
  const SPACE = /[\t-\r\x1c-\x20\x85\p{Z}]+/gu;
  const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
  const COLORS = /\x1b\[[0-?]*[ -\/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?/gu;

  const cut = (text, limit) => {
    const letters = [...text];
    return letters.length <= limit ? text : letters.slice(0, limit - 1).join("") + "…";
  };
  const linesOf = (text) => text.split(/\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/u);
  const blank = (text) => !text.replace(SPACE, "");

  const line = (text, limit) => {
    const first = linesOf([...text].slice(0, 20 * limit).join("")).find((part) => !blank(part)) || "";
    const visible = first.replace(/\t/g, " ").replace(COLORS, "").replace(INVISIBLE, "");
    const without = visible.replace(/(?<![\p{L}\p{N}_])0x[0-9a-fA-F]{6,}(?![\p{L}\p{N}_])/gu, "0x…");
    return cut(without.replace(SPACE, " ").trim(), limit);
  };

  const signature = (kind, message) => {
    let text = line(message, SIGNATURE * 4);
    for (const [pattern, replacement] of rules) text = text.replace(pattern, replacement);
    return cut(`${kind.split(".").pop()}: ${text}`.replace(/[: ]+$/, ""), SIGNATURE);
  };

  const signatures = (lines) =>
    lines.flatMap((raw) => {
      const text = line(raw, 20 * SIGNATURE);
      let match = errors[0].exec(text);
      if (!match || !(match[2] || /(Error|Exception)$/.test(match[1]))) match = errors[1].exec(text);
      return match ? [signature(match[1], match[2] || "")] : [];
    });

  const words = (text) => new Set(text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || []);
  const known = data.signatures.map(words);
  const count = new Map();
  for (const said of known) for (const word of said) count.set(word, (count.get(word) || 0) + 1);
  const weight = (chosen) => [...chosen].reduce((sum, word) => sum + 1 / (count.get(word) || 1), 0);

  const closest = (asked) => {
    let [best, found] = [[CLOSE, 0], -1];
    for (const own of asked.map(words))
      known.forEach((said, number) => {
        const shared = weight([...own].filter((word) => said.has(word)));
        const rank = [shared / (weight(own) || 1), shared / (weight(said) || 1)];
        if (rank[0] > best[0] || (rank[0] === best[0] && rank[1] > best[1])) [best, found] = [rank, number];
      });
    return found;
  };

  // The places of the errors in the list, and whether they are what was pasted or only the closest.
  const explain = (text) => {
    let lines = linesOf([...text].slice(-MOST_TEXT).join(""));
    let asked = [...new Set(signatures(lines).reverse())];
    const exact = asked.map((one) => data.signatures.indexOf(one)).filter((number) => number >= 0);
    if (exact.length) return { exact: true, found: exact };
    if (!asked.length) {
      lines = lines.filter((one) => !blank(one)).slice(-MOST_LINES);
      asked = lines.reverse().map((one) => signature("", one));
    }
    const near = closest(asked);
    return { exact: false, found: near < 0 ? [] : [near] };
  };
  window.knownErrors = { explain, signature };

  const box = document.getElementById("paste");
  const place = document.getElementById("found");
  const templates = document.querySelectorAll("template[data-error]");
  const say = (text, kind) => {
    const told = document.createElement("p");
    told.className = "told";
    const tag = document.createElement("span");
    tag.className = `tag ${kind}`;
    tag.textContent = text;
    told.append(tag);
    return told;
  };
  const show = () => {
    if (blank(box.value)) return place.replaceChildren();
    const { exact, found } = explain(box.value);
    const told = exact
      ? say("✓ on record", "k-works")
      : say(found.length ? "≈ not on record as it is; this is the closest" : "? nothing on record is like it", "k-unknown");
    place.replaceChildren(told, ...found.map((number) => templates[number].content.cloneNode(true)));
  };
  let waiting;
  box.addEventListener("input", () => (clearTimeout(waiting), (waiting = setTimeout(show, 60))));
  show();
})();
