// A part of runtime.js, which has a place for it, on sites that take over choices made with another tool. Where this
// visitor granted something there, the server says so, and finds out what of it counts when it is asked to.
if (setting('take')) use(async () => {
  await kit.parsed;
  const banner = find();
  const button = doc.createElement('button');
  Object.assign(button, { name: 'action', value: 'migrate', hidden: true });
  banner.querySelector('form').append(button);
  // The notice waits meanwhile, and is there again where it did not work.
  banner.hidden = true;
  await kit.send(button.form, button).catch(() => { banner.hidden = false; });
  button.remove();
});
