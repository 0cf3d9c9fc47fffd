// A part of runtime.js, for sites that take over choices made with another tool. If the visitor granted something
// there, the server sets data-cmw-take. Submit the form with the action `migrate` then; the server decides which grants
// count.
if (setting('take')) use(async () => {
  await kit.parsed;
  const banner = find();
  const button = doc.createElement('button');
  Object.assign(button, { name: 'action', value: 'migrate', hidden: true });
  banner.querySelector('form').append(button);
  // Hide the notice meanwhile, and show it again if this fails.
  banner.hidden = true;
  await kit.send(button.form, button).catch(() => { banner.hidden = false; });
  button.remove();
});
