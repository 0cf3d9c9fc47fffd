// Stand-ins for vendors' scripts. Like the real script, each processes the queue that the vendor's snippet left in the
// page, in order, and replaces it. Every call that reaches a vendor is a line in `window.got`.
(() => {
  const got = (window.got ??= []);
  const text = (value) => {
    if (value instanceof Date) return "date";
    if (value !== null && typeof value === "object") return typeof value.event === "string" ? value.event : JSON.stringify(value);
    return String(value);
  };
  const say = (vendor, values) => got.push([vendor, ...Array.from(values, text)].join(" "));
  const isArguments = (item) => Object.prototype.toString.call(item) === "[object Arguments]";

  const vendors = {
    // Google: `arguments` of gtag(), or objects. An event before any target is configured is lost.
    layer(vendor, fallback) {
      const source = document.currentScript?.src ?? location.href;
      const name = new URL(source).searchParams.get("l") ?? fallback;
      const layer = (window[name] ??= []);
      let configured = vendor === "gtm";
      const take = (item) => {
        if (isArguments(item)) {
          configured ||= item[0] === "config";
          say(vendor, !configured && item[0] === "event" ? ["lost", ...item] : item);
        } else if (item && typeof item === "object") {
          say(vendor, [item.event ? item : Object.keys(item)[0]]);
        }
      };
      layer.forEach(take);
      const push = layer.push;
      layer.push = (...items) => {
        const length = push.apply(layer, items);
        items.forEach(take);
        return length;
      };
    },
    // Meta: a function with `queue` and `callMethod`. Calls before `init` are lost.
    pixel(name) {
      const pixel = (window[name] ??= (...values) => pixel.callMethod(...values));
      let ready = false;
      pixel.callMethod = (...values) => {
        ready ||= values[0] === "init";
        say(name, ready ? values : ["lost", ...values]);
      };
      for (const values of (pixel.queue ?? []).splice(0)) pixel.callMethod(...values);
    },
    // A function that stores its calls in one of its properties.
    calls(name, property) {
      const waiting = window[name]?.[property] ?? [];
      const real = (...values) => say(name, values);
      real[property] = [];
      window[name] = real;
      for (const values of waiting) say(name, values);
    },
    // A list of commands.
    commands(name) {
      const waiting = window[name] ?? [];
      const take = (item) => say(name, Array.isArray(item) ? item : [item]);
      window[name] = { push: (...items) => items.forEach(take) };
      Array.from(waiting).forEach(take);
    },
    // A flat list of words, in which certain words begin a command.
    words(name) {
      const begins = new Set(["event", "consent", "set", "pageLoad"]);
      const take = (items) => {
        let command = [];
        for (const item of items) {
          if (begins.has(item) && command.length) say(name, command.splice(0));
          command.push(item);
        }
        if (command.length) say(name, command);
      };
      const waiting = window[name] ?? [];
      window[name] = { push: (...items) => take(items) };
      take(Array.from(waiting));
    },
    // A list of [method, ...values]; afterwards the methods can be called directly.
    methods(name) {
      const waiting = Array.from(window[name] ?? []);
      window[name] = new Proxy({}, { get: (_, method) => (...values) => say(name, [method, ...values]) });
      for (const item of waiting) if (Array.isArray(item)) say(name, item);
    },
  };
  say("ran", [__ADDRESS__]);
  /*__VENDOR__*/
})();
