// type => the final state of a type of Google's consent mode, as Google's code reads the layer for a visitor in a region
// that has a default of its own: that overrides the default for everywhere, and updates override both.
(type) => {
  let standard, regional, updated;
  for (const item of window.dataLayer ?? []) {
    if (item?.[0] !== "consent" || !item[2]?.[type]) continue;
    if (item[1] === "update") updated = item[2][type];
    else if (item[2].region) regional = item[2][type];
    else standard = item[2][type];
  }
  return updated ?? regional ?? standard ?? "unset";
}
