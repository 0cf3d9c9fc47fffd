document.getElementById('out').onclick = event => {
  event.preventDefault();
  ga('send', 'event', 'out', 'click', { hitCallback: () => location.assign('/two.html') });
};
