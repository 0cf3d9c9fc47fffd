// [selector, press] => whether the elements contain a control that loads the held content: in the page, in shadow
// trees, and in our frames. With `press`, the control that loads it once is pressed.
([selector, press]) => {
  const shown = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return width > 20 && height > 10 && getComputedStyle(element).visibility === "visible";
  };
  const controls = [];
  const search = (root) => {
    if (root.shadowRoot) search(root.shadowRoot);
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) search(element.shadowRoot);
      if (element.localName === "iframe" && shown(element)) {
        let inside = null;
        try { inside = element.contentDocument; } catch { /* another site's */ }
        if (inside && /_cmw|placeholder/.test(inside.location.pathname)) search(inside);
      }
      const acts = element.matches("button, a[href], [role=button], input[type=submit]");
      if (acts && shown(element) && !element.hasAttribute("data-own")) controls.push(element);
    }
  };
  document.querySelectorAll(selector).forEach(search);
  if (!press) return controls.length > 0;
  const buttons = controls.filter((control) => control.localName !== "a");
  const button = buttons.find((control) => control.value === "once") ?? buttons[0];
  button?.click();
  return Boolean(button);
}
