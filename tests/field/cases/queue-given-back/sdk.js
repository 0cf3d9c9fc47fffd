window.amplitude._q.forEach(({ name, args, resolve }) => {
  const told = args.map(arg => (arg && arg._q ? arg._q.map(one => one.name + one.args).join() : arg)).filter(one => typeof one === "string");
  (window.got ??= []).push([name, ...told].join(" "));
  if (resolve) resolve({});
});
