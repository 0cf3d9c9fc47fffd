// type: how a type of Google's consent mode ends, as Google's code reads the layer: an update wins over a default.
(type) => {
  let standard, updated;
  for (const item of window.dataLayer ?? []) {
    if (item?.[0] !== "consent" || !item[2]?.[type]) continue;
    if (item[1] === "update") updated = item[2][type];
    else if (!item[2].region) standard = item[2][type];
  }
  return updated ?? standard ?? "unset";
}
