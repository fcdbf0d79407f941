// Says how long ago the job looked, and whether that is too long. Runs where it stands, so that nothing moves.
"use strict";
(() => {
  const looked = document.getElementById("looked");
  const hours = Math.max(0, Math.floor((Date.now() - new Date(looked.dateTime)) / 36e5));
  const ago = hours < 48 ? `${hours} hour${hours === 1 ? "" : "s"} ago` : `${Math.floor(hours / 24)} days ago`;
  const late = hours > 2 * Number(looked.dataset.hours);
  const lateness = document.getElementById("lateness");
  lateness.textContent = late ? `Late: that was ${ago}.` : `That was ${ago}: on time.`;
  lateness.className = `tag k-${late ? "raises" : "supported"}`;
})();
