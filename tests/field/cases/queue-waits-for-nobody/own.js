document.getElementById('out').onclick = event => {
  event.preventDefault();
  const sent = [
    done => ga('send', 'event', 'out', 'click', { hitCallback: done }),
    done => sa_event('out', done),
    done => _kmq.push(['record', 'out', {}, done]),
    done => _gaq.push(['_set', 'hitCallback', done]),
    done => klaviyo.track('out').then(done),
    done => umami.track('out').then(done),
  ];
  Promise.all(sent.map(send => new Promise(send))).then(() => location.assign('/two.html'));
};
