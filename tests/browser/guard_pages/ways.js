// A first-party bundle that loads in every way there is. Its notes end up in the page, where any browser can be asked.
const NOTES = {};
const tell = () => { document.getElementById('out').textContent = JSON.stringify(NOTES); };
const note = (name, what) => {
  (NOTES[name] = NOTES[name] || []).push(what);
  if (document.getElementById('out')) tell();
};
const held = path => 'https://held.example/' + path;
const attempt = (name, work) => {
  try {
    work();
  } catch (error) {
    note(name, 'threw ' + error.name);
  }
};
const watch = (name, el) => {
  el.onload = () => note(name, 'load');
  el.onerror = () => note(name, 'error');
  return el;
};
const add = el => document.getElementById('place').append(el);
const read = (name, actual, expected) => note('read ' + name, actual === expected ? 'same' : String(actual));

function writes() {
  document.write('<div><img alt="" src="' + held('write.gif') + '">');
  document.write('<script src="https://held.example/write.js?a=1&amp;b=2" onload="note(\'write\', \'load\')"><\/script></div>');
  document.write('<p id="after">after</p>');
  document.write('<script>inner = "<img src=\'https://held.example/text.gif\'>"<\/script>');
  note('text in code', window.inner.length);
  note('writes', document.getElementById('after').parentNode.localName);
}

function elements() {
  const make = (kind, name, set) => attempt(name, () => {
    const el = watch(name, document.createElement(kind));
    set(el);
    add(el);
  });
  make('script', 'script', el => { el.src = held('script.js'); read('script', el.src, held('script.js')); });
  make('script', 'script attribute', el => el.setAttribute('SRC', held('attribute.js')));
  make('script', 'script ordered', el => { el.async = false; el.src = '//held.example/ordered.js'; });
  make('script', 'script url', el => { el.src = new URL(held('url.js')); });
  make('script', 'script own', el => { el.src = '/own.js'; });
  make('script', 'script changed', el => { el.src = held('changed.js'); el.src = '/own2.js'; });
  make('script', 'script removed', el => { el.src = held('removed.js'); el.removeAttribute('src'); });
  make('script', 'script other', el => { el.src = 'https://other.example/other.js'; });
  make('script', 'script free', el => { el.src = 'https://free.example/free.js'; });
  make('script', 'script marked', el => { el.dataset.consent = 'necessary'; el.src = 'https://marked.held.example/marked.js'; });
  make('img', 'img', el => { el.src = held('img.gif'); });
  make('img', 'img srcset', el => {
    el.srcset = 'https://free.example/small.gif 1w, https://HELD.example:443/large.gif 2w';
    el.sizes = '100vw';
  });
  make('img', 'img srcset without spaces', el => { el.sizes = '100vw'; el.srcset = '/own.gif 1w,' + held('tight.gif 2w'); });
  make('img', 'img own', el => { el.src = '/own.gif'; });
  make('iframe', 'iframe', el => { el.src = held('frame'); });
  make('iframe', 'iframe attribute', el => el.setAttributeNS(null, 'src', held('frame2')));
  make('iframe', 'iframe srcdoc', el => { el.srcdoc = '<p>x</p><img src="https://held.example/srcdoc.gif">'; });
  make('iframe', 'iframe srcdoc without quotes', el => { el.srcdoc = '<img src=https://held.example/unquoted.gif>'; });
  make('iframe', 'iframe code', el => { el.src = "javascript:void(new Image().src='https://held.example/code.gif')"; });
  make('iframe', 'iframe page', el => { el.src = 'data:text/html,%3Cimg src=%22https://held.example/page.gif%22>'; });
  make('link', 'link', el => { el.rel = 'stylesheet'; el.href = held('link.css'); });
  make('link', 'link preload', el => { el.rel = 'preload'; el.as = 'image'; el.href = held('preload.gif'); });
  make('link', 'link preconnect', el => { el.rel = 'preconnect'; el.href = 'https://connect.held.example'; });
  make('video', 'video', el => { el.poster = held('poster.gif'); el.src = held('video.mp4'); });
  make('audio', 'audio', el => { el.preload = 'auto'; el.src = held('audio.mp3'); });
  make('embed', 'embed', el => { el.type = 'image/gif'; el.src = held('embed.gif'); });
  make('object', 'object', el => { el.data = held('object.gif'); });
  make('video', 'source', el => {
    const source = document.createElement('source');
    source.src = held('source.mp4');
    el.append(source);
  });
  attempt('pixel', () => { watch('pixel', new Image()).src = held('pixel.gif'); });
  attempt('clone', () => {
    const first = document.createElement('img');
    first.src = held('clone.gif');
    const copy = watch('clone', first.cloneNode());
    read('clone', copy.src, held('clone.gif'));
    add(copy);
  });
  // What loaders of pictures do: the held address takes the place of a small picture of the site's own.
  attempt('lazy', () => {
    const image = watch('lazy', document.getElementById('lazy'));
    image.src = image.dataset.src;
    read('lazy', image.src, held('lazy.gif'));
  });
}

function markup() {
  const box = () => {
    const made = document.createElement('div');
    add(made);
    return made;
  };
  box().innerHTML = '<img alt="a > b" src="https://held.example/inner.gif" onload="note(\'inner\', \'load\')"><p title="src=x">x</p>';
  box().innerHTML = '<iframe class=c src=https://held.example/inner onload="note(\'inner frame\', \'load\')"></iframe>';
  box().innerHTML = '<textarea><img src="https://held.example/kept.gif"></textarea>';
  note('textarea', document.querySelector('textarea').value);
  const heading = box();
  heading.innerHTML = '<h1 title="<img src=//held.example/ onclick=note() >">x</h1>';
  note('text in a value', heading.firstChild.getAttributeNames().join());
  const outer = document.createElement('p');
  box().append(outer);
  outer.outerHTML = "<img src='//held.example./outer.gif'>";
  box().insertAdjacentHTML('beforeend', '<b>b</b><img src="https://sub.held.example:443/adjacent.gif">');
  const { content } = Object.assign(document.getElementById('template'), { innerHTML: '<img src="https://held.example/template.gif">' });
  add(document.importNode(content, true));
  const range = document.createRange();
  range.selectNode(document.body);
  add(range.createContextualFragment('<script src="https://held.example/fragment.js" onload="note(\'fragment\', \'load\')"><\/script>'));
  note('untouched', (box().innerHTML = '<i>&amp; text about held.example</i>'));
}

function requests() {
  class Mine extends WebSocket {}
  const failing = (name, promise) => promise.then(() => note(name, 'answered'), error => note(name, error.constructor.name));
  failing('fetch', fetch(held('fetch')));
  failing('fetch request', fetch(new Request(held('request'), { method: 'POST', body: 'x' })));
  failing('fetch url', fetch(new URL(held('fetch-url')), { method: 'POST', body: 'x', mode: 'no-cors' }));
  failing('fetch own', fetch('/own.js'));
  failing('fetch free', fetch('https://free.example/fetch'));
  attempt('xhr', () => {
    const request = new XMLHttpRequest();
    request.open('POST', held('xhr'));
    ['load', 'error', 'loadend'].forEach(type => request.addEventListener(type, () => note('xhr', type + ' ' + request.status)));
    request.send('x');
    note('xhr', 'sent');
  });
  attempt('xhr sync', () => {
    const request = new XMLHttpRequest();
    request.open('GET', held('xhr-sync'), false);
    request.send();
  });
  note('beacon', navigator.sendBeacon(held('beacon'), 'x'));
  note('beacon free', navigator.sendBeacon('https://free.example/beacon', 'x'));
  attempt('socket', () => {
    const socket = new WebSocket('wss://held.example/socket');
    socket.binaryType = 'arraybuffer';
    note('socket', [socket instanceof WebSocket, socket.readyState, WebSocket.OPEN].join());
    socket.onerror = () => note('socket', 'error');
    socket.onclose = event => note('socket', 'close ' + event.code + ' ' + socket.readyState);
  });
  attempt('events', () => {
    const source = new EventSource(held('events'));
    source.onerror = () => note('events', 'error ' + source.readyState);
  });
  attempt('subclass', () => note('subclass', new Mine('wss://held.example/mine') instanceof Mine));
  note('names', [fetch.name, fetch.length, WebSocket.name, /native code/.test('' + fetch), typeof WebSocket.prototype.send,
    Element.prototype.setAttribute.name, Element.prototype.setAttribute.length,
    Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, 'src').set.name].join());
}

// What few pages use, and some browsers do not have yet.
function rarities() {
  const SVG = 'http://www.w3.org/2000/svg';
  const drawing = document.createElementNS(SVG, 'svg');
  add(drawing);
  const draw = (kind, set) => attempt('svg ' + kind, () => {
    const el = document.createElementNS(SVG, kind);
    set(el);
    drawing.append(el);
  });
  draw('image', el => el.setAttribute('href', held('drawn.gif')));
  draw('image', el => el.setAttributeNS('http://www.w3.org/1999/xlink', 'xlink:href', held('linked.gif')));
  draw('script', el => el.setAttribute('href', held('drawn.js')));
  draw('script', el => { el.href.baseVal = held('base.js'); });
  attempt('input', () => {
    const button = document.createElement('input');
    button.type = 'image';
    button.src = held('button.gif');
    add(button);
  });
  attempt('named', () => {
    const [image, source] = [document.createElement('img'), document.createAttribute('src')];
    source.value = held('named.gif');
    image.attributes.setNamedItem(source);
    add(image);
  });
  attempt('script named', () => {
    const [script, source] = [document.createElement('script'), document.createAttribute('src')];
    source.value = held('given.js');
    script.attributes.setNamedItem(source);
    add(script);
  });
  attempt('attribute node', () => {
    const [image, source] = [document.createElement('img'), document.createAttribute('src')];
    source.value = held('node.gif');
    image.setAttributeNode(source);
    add(image);
  });
  attempt('named apart', () => {
    const [image, source] = [document.createElement('img'), document.createAttributeNS(null, 'src')];
    source.value = held('apart.gif');
    image.attributes.setNamedItemNS(source);
    add(image);
  });
  attempt('node apart', () => {
    const [image, source] = [document.createElement('img'), document.createAttributeNS(null, 'src')];
    source.value = held('apart2.gif');
    image.setAttributeNodeNS(source);
    add(image);
  });
  attempt('audio', () => new Audio(held('constructed.mp3')).load());
  attempt('font', () => new FontFace('Held', 'url(' + held('font.woff2') + ')').load().catch(() => note('font', 'failed')));
  const box = document.createElement('div');
  add(box);
  if (box.setHTMLUnsafe) attempt('unsafe', () => box.setHTMLUnsafe('<img alt="" src="https://held.example/unsafe.gif">'));
  if (Document.parseHTMLUnsafe) {
    attempt('parsed', () => add(Document.parseHTMLUnsafe('<img alt="" src="https://held.example/parsed.gif">').images[0]));
  }
  if (window.fetchLater) attempt('later', () => fetchLater(held('later'), { activateAfter: 0 }));
  if (window.CSS && CSS.paintWorklet) attempt('worklet', () => CSS.paintWorklet.addModule(held('paint.js')).catch(() => 0));
}

// Workers whose code stands in their address, and one that is made in memory.
function workers() {
  ['escaped', 'plain'].forEach(name => {
    const code = `fetch('${held(name)}', { mode: 'no-cors' }); importScripts("${held(name + '.js')}")`;
    try {
      new Worker('data:text/javascript,' + (name === 'plain' ? code : encodeURIComponent(code)));
    } catch {
      // Some browsers do so with an address that cannot be.
    }
  });
  attempt('worker', () => {
    new Worker(URL.createObjectURL(new Blob(['postMessage(41)']))).onmessage = ({ data }) => note('worker', data);
  });
}

// Frames that the page fills: each has its own functions, which scripts borrow, or write the frame's page with.
function frames() {
  const make = place => place.appendChild(place.ownerDocument.createElement('iframe'));
  const failing = (name, promise) => promise.then(() => note(name, 'answered'), error => note(name, error.name));
  const place = document.getElementById('place');
  attempt('frame', () => {
    const { contentWindow: inner, contentDocument: page } = make(place);
    failing('frame fetch', inner.fetch(held('frame-fetch')));
    failing('frame fetch own', inner.fetch(new URL('/own.js', location)));
    inner.navigator.sendBeacon(held('frame-beacon'), 'x');
    const request = new inner.XMLHttpRequest();
    request.onerror = () => note('frame xhr', 'error');
    request.open('GET', held('frame-xhr'));
    request.send();
    watch('frame picture', new inner.Image()).src = held('frame-picture.gif');
    page.body.innerHTML = '<img alt="" src="https://held.example/frame-inner.gif">';
    failing('frame in a frame', make(page.body).contentWindow.fetch(held('frame-frame')));
  });
  attempt('frame written', () => {
    const page = make(place).contentDocument;
    page.open();
    page.write('<script src="https://held.example/frame-write.js"><\/script>');
    page.close();
  });
  attempt('frame of another place', () => {
    const apart = document.createElement('iframe');
    apart.src = 'https://free.example/frame';
    add(apart);
    note('frame of another place', typeof apart.contentWindow.postMessage);
  });
}

function styles() {
  attempt('rules', () => {
    const sheet = document.head.appendChild(document.createElement('style')).sheet;
    sheet.insertRule('@import "https://held.example/rule.css"', 0);
    sheet.insertRule('main { background: url(https://held.example/rule.gif) }', 1);
    sheet.insertRule('main { background: url(/own.gif) }', 2);
    note('rules', sheet.cssRules.length + getComputedStyle(document.querySelector('main')).backgroundImage.slice(-9));
  });
  attempt('sheet', () => {
    const [sheet, later] = [new CSSStyleSheet(), new CSSStyleSheet()];
    document.adoptedStyleSheets = [sheet, later];
    sheet.replaceSync('main { color: rgb(1, 2, 3); border-image: url("https://held.example/sheet.gif") 1 }');
    later.replace('main { list-style: square url(//held.example/later.gif) }');
    const { color, borderImageSource } = getComputedStyle(document.querySelector('main'));
    note('sheet', color + borderImageSource);
  });
  if (window.WebTransport) attempt('transport', () => new WebTransport('https://transport.held.example/').ready.catch(() => 0));
  attempt('command', () => {
    const text = document.createElement('div');
    text.contentEditable = true;
    add(text);
    getSelection().collapse(text, 0);
    document.execCommand('insertHTML', false, '<img alt="" src="https://held.example/command.gif">');
  });
  attempt('filter', () => {
    const part = document.createElementNS('http://www.w3.org/2000/svg', 'feImage');
    part.setAttribute('href', 'https://filter.held.example/filter.gif');
    add(part);
  });
}

function ways() {
  workers();
  frames();
  styles();
  elements();
  markup();
  rarities();
  requests();
  tell();
}
