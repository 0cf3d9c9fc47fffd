const app = document.getElementById('app');
const show = address => Object.assign(app.appendChild(document.createElement('iframe')), { src: address });
show(JSON.parse(app.getAttribute('wire:snapshot')).data.film);
show(JSON.parse(document.getElementById('__NEXT_DATA__').textContent).props.film);
app.insertAdjacentHTML('beforeend', atob(app.dataset.lazy));
