const player = new Vimeo.Player('film', { id: 900001 });
player.on('play', () => { window.played = 'yes'; });
player.getDuration().then(seconds => { window.duration = seconds; });
window.ready = 2;
