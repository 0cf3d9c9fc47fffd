document.querySelectorAll('[data-echo]').forEach(one => { one.src = one.dataset.echo; });
document.querySelectorAll('[data-srcset]').forEach(one => { one.srcset = one.dataset.srcset; });
document.querySelectorAll('[data-bg]').forEach(one => { one.style.backgroundImage = `url(${one.dataset.bg})`; });
document.title = 'Loaded';
