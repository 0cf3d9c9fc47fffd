// selector => the problems with the position of these banner controls: outside the window, cut off, covered, over text.
(selector) => {
  const banner = document.querySelector("[data-cmw-banner]");
  if (!banner) return ["there is no banner"];
  const shown = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === "visible";
  const controls = [...banner.querySelectorAll(selector)].filter(shown);
  const wrong = controls.length < 3 ? [`only ${controls.length} controls are shown`] : [];
  // The part of a box that is visible inside its scrolling ancestors and the window.
  const visible = (box, element) => {
    const part = { left: Math.max(box.left, 0), top: Math.max(box.top, 0),
                   right: Math.min(box.right, innerWidth), bottom: Math.min(box.bottom, innerHeight) };
    for (let at = element; at && at !== document.documentElement; at = at.parentElement) {
      if (getComputedStyle(at).overflow === "visible") continue;
      const edge = at.getBoundingClientRect();
      part.left = Math.max(part.left, edge.left); part.right = Math.min(part.right, edge.right);
      part.top = Math.max(part.top, edge.top); part.bottom = Math.min(part.bottom, edge.bottom);
    }
    return part;
  };
  // The ancestor in the banner that paints a background behind a control: text may scroll away beneath all of it.
  const barOf = (control) => {
    for (let at = control.parentElement; at && at !== banner; at = at.parentElement) {
      if (!/, 0\)$|transparent/.test(getComputedStyle(at).backgroundColor)) return at;
    }
    return null;
  };
  const texts = [];
  const walker = document.createTreeWalker(banner, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const owner = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !shown(owner) || controls.some((control) => control.contains(owner))) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const line of range.getClientRects()) texts.push({ owner, says: walker.currentNode.data.trim(), box: visible(line, owner) });
  }
  for (const control of controls) {
    const box = control.getBoundingClientRect();
    const label = `"${control.innerText.trim()}"`;
    if (box.left < -0.5 || box.top < -0.5 || box.right > innerWidth + 0.5 || box.bottom > innerHeight + 0.5) {
      wrong.push(`${label} is outside the window`);
      continue;
    }
    const part = visible(box, control.parentElement);
    if (part.right - part.left < box.width - 1.5 || part.bottom - part.top < box.height - 1.5) {
      wrong.push(`${label} is cut off`);
      continue;
    }
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    if (!top || !(control === top || control.contains(top))) wrong.push(`${label} lies under something`);
    const bar = barOf(control), edge = bar?.getBoundingClientRect();
    for (const { owner, says, box: text } of texts) {
      if (bar && !bar.contains(owner) && edge.left <= text.left + 1 && edge.right >= text.right - 1) continue;
      const wide = Math.min(text.right, box.right) - Math.max(text.left, box.left);
      const high = Math.min(text.bottom, box.bottom) - Math.max(text.top, box.top);
      if (wide > 2 && high > 2) wrong.push(`${label} covers the text "${says.slice(0, 30)}"`);
    }
  }
  return [...new Set(wrong)];
}
