// type => the final state of a type of Google's consent mode, as Google's code reads the layer: updates override
// defaults.
(type) => {
  let standard, updated;
  for (const item of window.dataLayer ?? []) {
    if (item?.[0] !== "consent" || !item[2]?.[type]) continue;
    if (item[1] === "update") updated = item[2][type];
    else if (!item[2].region) standard = item[2][type];
  }
  return updated ?? standard ?? "unset";
}
